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
// Fields of pointer type tell "not said" from the zero value; a Duration or
// Size that is not said is nil likewise. Names and meanings are those of the
// OpenCache edge.
package config
