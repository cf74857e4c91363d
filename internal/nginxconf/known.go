package nginxconf

import "strings"

// carried are the directives that are looked at where they count; what is not
// carried of one is told there.
var carried = setOf(`access_log add_header alias if auth_basic auth_basic_user_file auth_request allow deny client_body_timeout client_header_timeout client_max_body_size
 default_type expires events http if include index internal keepalive_timeout limit_except limit_req limit_req_dry_run limit_req_zone listen location map proxy_buffering proxy_cache proxy_cache_background_update
 proxy_cache_bypass proxy_cache_key proxy_cache_lock proxy_cache_lock_age proxy_cache_lock_timeout proxy_cache_methods proxy_cache_min_uses
 proxy_cache_path proxy_cache_use_stale proxy_cache_valid proxy_connect_timeout proxy_hide_header proxy_ignore_headers proxy_next_upstream
 proxy_next_upstream_timeout proxy_next_upstream_tries proxy_no_cache proxy_pass proxy_read_timeout proxy_set_header proxy_ssl_certificate proxy_ssl_certificate_key proxy_ssl_name proxy_ssl_protocols
 proxy_ssl_trusted_certificate proxy_ssl_verify real_ip_header return rewrite root satisfy
 send_timeout server server_name set set_real_ip_from ssl_certificate ssl_certificate_key ssl_ciphers ssl_protocols ssl_stapling try_files types upstream
 fastcgi_pass uwsgi_pass scgi_pass grpc_pass memcached_pass stub_status empty_gif autoindex gzip gzip_types gzip_min_length
 gzip_comp_level least_conn ip_hash hash random keepalive brotli brotli_types brotli_min_length zstd zstd_types zstd_min_length`)

// moot are directives that tune what is not here, or is always so here.
var moot = map[string]string{
	"proxy_cache_revalidate":       "what has a validator is always validated",
	"proxy_cache_max_range_offset": "ranges of what is not stored are fetched in segments",
	"proxy_force_ranges":           "ranges of what is stored are always answered",
	"proxy_http_version":           "upstreams are asked by HTTP/1.1",
	"proxy_ssl_server_name":        "servers are always told the name",
	"proxy_ssl_session_reuse":      "sessions are always used again",
	"server_tokens":                "no Server field is added",
	"log_format":                   "monitoring.log says how lines look",
}

// mootWords are those for which one reason will do.
var mootWords = setOf(`user worker_processes worker_connections worker_rlimit_nofile worker_priority worker_cpu_affinity pid daemon master_process lock_file
 load_module pcre_jit thread_pool timer_resolution worker_shutdown_timeout multi_accept use accept_mutex env error_log sendfile sendfile_max_chunk tcp_nopush
 tcp_nodelay aio aio_write directio output_buffers postpone_output types_hash_max_size types_hash_bucket_size server_names_hash_bucket_size
 server_names_hash_max_size variables_hash_max_size variables_hash_bucket_size map_hash_bucket_size map_hash_max_size client_body_buffer_size
 client_header_buffer_size large_client_header_buffers client_body_temp_path client_body_in_file_only proxy_temp_path fastcgi_temp_path uwsgi_temp_path
 scgi_temp_path proxy_buffers proxy_buffer_size proxy_busy_buffers_size proxy_max_temp_file_size proxy_temp_file_write_size proxy_request_buffering
 proxy_headers_hash_max_size proxy_headers_hash_bucket_size proxy_socket_keepalive keepalive_requests keepalive_time
 open_file_cache open_file_cache_valid open_file_cache_min_uses open_file_cache_errors log_not_found log_subrequest rewrite_log reset_timedout_connection
 lingering_close lingering_time lingering_timeout resolver resolver_timeout merge_slashes port_in_redirect server_name_in_redirect absolute_redirect
 charset charset_types etag if_modified_since max_ranges ignore_invalid_headers underscores_in_headers msie_padding zone subrequest_output_buffer_size
 gzip_buffers gzip_disable gzip_http_version gzip_proxied gzip_vary gunzip_buffers brotli_buffers brotli_window brotli_comp_level zstd_comp_level zstd_buffers break uninitialized_variable_warn
 fastcgi_param fastcgi_index fastcgi_split_path_info fastcgi_buffers fastcgi_buffer_size fastcgi_read_timeout proxy_store_access limit_req_status limit_req_log_level limit_conn_status limit_conn_log_level real_ip_recursive`)

// lost is why directives are not carried over, and what comes nearest.
var lost = map[string][2]string{
	"gzip_static":                {"files that were compressed before are not looked for", "compression, which compresses them"},
	"brotli_static":              {"files that were compressed before are not looked for", "compression, which compresses them"},
	"zstd_static":                {"files that were compressed before are not looked for", "compression, which compresses them"},
	"gunzip":                     {"what the origin compressed is not decompressed: it is asked for what the client takes", ""},
	"geo":                        {"variables by address are not there", "$geoip_country_code and the like, access and filters"},
	"geoip_country":              {"databases are those of MaxMind DB", "geo of the node document, and $geoip_country_code"},
	"geoip2":                     {"the node has one database of cities and one of ASNs", "geo of the node document, and $geoip_country_code and the like"},
	"split_clients":              {"there is no such variable", ""},
	"error_page":                 {"answers of errors can not be replaced", "a fixed route"},
	"limit_conn":                 {"connections are limited for the whole node", "network.maxConnsPerAddress of the node document"},
	"limit_conn_zone":            {"connections are limited for the whole node", "network.maxConnsPerAddress of the node document"},
	"limit_rate":                 {"answers are not slowed down", ""},
	"sub_filter":                 {"content is not changed", ""},
	"slice":                      {"ranges are fetched in segments of the edge's own size", "cache.global.semantics.coldRange: segments, which is the default"},
	"proxy_cache_purge":          {"purging has its own way", "opencache purge, or the method PURGE"},
	"proxy_cache_convert_head":   {"a HEAD is sent as a GET", "cache.global.semantics.passHead, for the whole site"},
	"proxy_redirect":             {"Location of the origin is passed as it is", "the origin makes its Location of Host: proxy_set_header Host $host"},
	"proxy_cookie_domain":        {"Set-Cookie is passed as it is", ""},
	"proxy_cookie_path":          {"Set-Cookie is passed as it is", ""},
	"proxy_cookie_flags":         {"Set-Cookie is passed as it is", ""},
	"proxy_pass_header":          {"the origin's fields all pass but those of the connection and X-Cache", ""},
	"proxy_pass_request_headers": {"requests' fields all pass", "cache.global.passThroughRequest"},
	"proxy_pass_request_body":    {"requests' content passes", ""},
	"proxy_set_body":             {"requests' content passes as it is", ""},
	"proxy_method":               {"the client's method is the upstream's", ""},
	"proxy_intercept_errors":     {"answers of errors can not be replaced", ""},
	"proxy_send_timeout":         {"sending to an upstream has no time of its own", "upstreams[].bodyTimeout"},
	"proxy_bind":                 {"the system chooses the address", ""},
	"proxy_store":                {"copies of files are not kept", "cache zones"},
	"proxy_limit_rate":           {"upstreams are not slowed down", ""},
	"mirror":                     {"requests are not doubled", ""},
	"stream":                     {"this is a cache of HTTP", ""},
	"mail":                       {"this is a cache of HTTP", ""},
	"http2":                      {"HTTP/2 comes later", ""},
	"http3":                      {"HTTP/3 comes later", ""},
	"valid_referers":             {"Referer is not checked: THIS OPENS WHAT $invalid_referer CLOSED", "a rule with match.condition on $http_referer"},
	"secure_link":                {"links are signed in another way: THIS OPENS WHAT $secure_link CLOSED", "access.signedUrl"},
	"perl":                       {"there are no scripts", ""},
	"js_content":                 {"there are no scripts", ""},
}

func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

// tell notes what becomes of the directives of a block that nothing looks at.
func (n *notes) tell(block []Directive) {
	for i := range block {
		d := &block[i]
		why, isLost := lost[d.Name]
		reason, isMoot := moot[d.Name]
		switch {
		case d.Name == "location", d.Name == "server" && d.Braces, d.Name == "http", d.Name == "upstream":
			n.tell(d.Block)
		case carried[d.Name]:
		case isMoot:
			n.add(d, Moot, reason, "")
		case isLost && d.arg(0) == "off" && len(d.Args) == 1:
			n.add(d, Moot, "off", "")
		case isLost:
			n.add(d, Lost, why[0], why[1])
		case mootWords[d.Name]:
			n.add(d, Moot, "it tunes what is not here", "")
		case strings.HasPrefix(d.Name, "ssl_"):
			n.add(d, Lost, "not yet: TLS comes later", "the section tls, which stands in the document as a comment")
		default:
			n.add(d, Lost, "nothing here does this", "")
		}
	}
}
