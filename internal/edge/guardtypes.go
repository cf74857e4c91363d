package edge

import (
	"bytes"

	"opencache/internal/wire"
)

// A fitting is the types of content that a path with an extension may have,
// beside those that tell nothing (isBinary): beginnings of types, in lower case.
type fitting []string

// has reports whether a type fits.
func (f fitting) has(essence []byte) bool {
	if isBinary(essence) {
		return true
	}
	for _, begin := range f {
		if bytes.HasPrefix(essence, []byte(begin)) {
			return true
		}
	}
	return false
}

// typesOf are the types by extension, of files that are alike for everybody.
// Pictures may be of another kind than they say, as origins convert them.
var typesOf = fittings(map[string]fitting{
	"css":              {"text/css"},
	"js mjs cjs":       {"text/javascript", "application/javascript", "application/x-javascript", "text/ecmascript", "application/ecmascript"},
	"map":              {"application/json", "text/plain", "application/sourcemap"},
	"json webmanifest": {"application/json", "application/manifest+json", "application/ld+json", "text/json", "text/plain"},
	"png jpg jpeg gif webp avif svg svgz ico bmp tif tiff jxl heic heif apng": {"image/", "video/"},
	"woff woff2 ttf otf eot": {"font/", "application/font", "application/x-font", "application/vnd.ms-", "image/svg"},
	"mp4 m4v webm mov mkv avi ogv mp3 ogg oga opus wav flac m4a aac m4s": {"video/", "audio/", "application/mp4", "application/ogg"},
	"m3u8 mpd":                               {"application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/", "video/", "application/dash+xml"},
	"vtt srt":                                {"text/vtt", "text/plain", "application/x-subrip"},
	"pdf ps eps":                             {"application/pdf", "application/postscript"},
	"doc docx xls xlsx ppt pptx odt ods odp": {"application/msword", "application/vnd."},
	"zip gz tgz bz2 xz zst 7z rar tar br":    {"application/zip", "application/gzip", "application/x-", "application/zstd", "application/vnd."},
	"exe msi dmg pkg apk iso img jar class bin deb rpm swf wasm": {"application/vnd.", "application/x-", "application/java", "application/wasm"},
	"ts":  {"video/", "audio/", "text/typescript", "application/typescript", "text/javascript", "application/javascript"}, // streams, and TypeScript
	"csv": {"text/csv", "text/plain", "application/csv", "application/vnd.ms-excel"},
	"txt": {"text/plain"},
})

// fittings spells a table of extensions out.
func fittings(table map[string]fitting) map[string]fitting {
	all := map[string]fitting{}
	for list, types := range table {
		for ext := range bytes.FieldsSeq([]byte(list)) {
			all[string(ext)] = types
		}
	}
	return all
}

// essence is a type without parameters, in lower case.
func essence(value []byte) []byte {
	value, _, _ = bytes.Cut(value, []byte{';'})
	return bytes.ToLower(bytes.Trim(value, " \t"))
}

// isBinary reports types that tell nothing: browsers save what has them.
func isBinary(essence []byte) bool {
	return len(essence) == 0 || string(essence) == "application/octet-stream" || string(essence) == "binary/octet-stream"
}

// isPage reports types that programs answer with for somebody: pages and data.
func isPage(essence []byte) bool {
	return wire.EqualFold(essence, "text/html") || wire.EqualFold(essence, "application/xhtml+xml") ||
		bytes.HasSuffix(essence, []byte("json")) || bytes.HasSuffix(essence, []byte("xml"))
}
