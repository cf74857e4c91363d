// Package config holds the documents that describe an edge: sites, nodes and
// the fleet's tier policy. It reads them (JSON with comments, unknown keys
// refused), merges them, fills in defaults and finds every fault at once, each
// with document, path, what was found and what was expected. It is pure: text
// in, values out; it opens no file, knows no connection, and nothing of how a
// request is served (internal/edge compiles a plan from it).
//
// Three kinds of document, by key:
//
//	opencache:edgeResource:<id>    a Site
//	opencache:nodeConfigDefaults   a Node: what all nodes share
//	opencache:nodeConfig:<POP_ID>  a Node: merged over it, objects deeply, arrays replaced
//
// Parse reads one; a Set reads all of a node, again whenever one changed:
//
//	set := config.Set{POP: "iad"}
//	shot := set.Load(texts) // key to text
//	for _, f := range shot.Faults {
//		log.Print(f) // opencache:edgeResource:a:12:5: routes[2].location: found ...
//	}
//	plan := compile(shot.Node, shot.Sites) // nothing in them is unsaid
//	os.Stdout.Write(set.Print("opencache:edgeResource:a")) // and where it came from
//
// The structs say all there is to know of a field: the tag json its name, and
// by leaving out omitzero that it is required; is what its values must be
// (rule.go); default what it is when nothing is said. Reading, checking,
// defaults, the schema and docs/config-explained.jsonc are made of these tags
// and of the comments. What fields say together stands in site_check.go,
// cache_check.go and node_check.go, what they inherit from each other in
// defaults.go.
//
// Fields of pointer type tell "not said" from the zero value; a Duration or
// Size that is not said is nil likewise, and a list that says none is not nil.
// Names and meanings are those of the OpenCache edge.
package config
