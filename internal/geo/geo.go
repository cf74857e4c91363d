// Package geo says where addresses are and whose network they are in.
package geo
