//go:build !go1.22

package main

import "unsafe"

//go:linkname pcvalue runtime.pcvalue
func pcvalue(f funcInfo, off uint32, pc uintptr, cache unsafe.Pointer, strict bool) (int32, uintptr)

//go:linkname pcdatavalue1 runtime.pcdatavalue1
func pcdatavalue1(f funcInfo, table uint32, pc uintptr, cache unsafe.Pointer, strict bool) int32

func spdelta(f funcInfo, pc uintptr) int32 {
	value, _ := pcvalue(f, word(f, 4), pc, nil, false)
	return value
}

func pcdata(f funcInfo, table uint32, pc uintptr) int32 {
	return pcdatavalue1(f, table, pc, nil, false)
}
