//go:build !linux

package h1

const canSplice = false
