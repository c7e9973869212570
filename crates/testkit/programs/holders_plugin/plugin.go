// Program holders_plugin is a plugin with two globals for pointers: one without an initial value, one
// with.
package main

import "unsafe"

var (
	first = 1

	// Bss starts as nil.
	Bss unsafe.Pointer
	// Data starts as an address.
	Data = unsafe.Pointer(&first)
)

func main() {}
