// Prints what the runtime itself makes of its function table, for many program counters:
//
//	oracle START END STEP
//
// One line for each program counter: its offset from START, the entry of its function, then what the
// runtime's own functions say, separated by tabs. Absent funcdata is "-".
package main

import (
	"bufio"
	"os"
	"strconv"
	"unsafe"
)

// What the runtime's functions take for a function.
type funcInfo struct {
	raw   unsafe.Pointer
	datap unsafe.Pointer
}

//go:linkname findfunc runtime.findfunc
func findfunc(pc uintptr) funcInfo

//go:linkname funcname runtime.funcname
func funcname(f funcInfo) string

//go:linkname funcline1 runtime.funcline1
func funcline1(f funcInfo, pc uintptr, strict bool) (file string, line int32)

//go:linkname funcdata runtime.funcdata
func funcdata(f funcInfo, i uint8) unsafe.Pointer

// The words of the runtime's _func that no function of the runtime gives.
func word(f funcInfo, index uintptr) uint32 {
	return *(*uint32)(unsafe.Pointer(uintptr(f.raw) + 4*index))
}

func main() {
	args := make([]uintptr, 3)
	for i := range args {
		n, err := strconv.ParseUint(os.Args[1+i], 0, 64)
		if err != nil {
			panic(err)
		}
		args[i] = uintptr(n)
	}
	start, end, step := args[0], args[1], args[2]
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	field := func(value int64) {
		out.WriteByte('\t')
		out.WriteString(strconv.FormatInt(value, 10))
	}
	for pc := start; pc < end; pc += step {
		out.WriteString(strconv.FormatUint(uint64(pc-start), 10))
		f := findfunc(pc)
		if f.raw == nil {
			out.WriteString("\tnone\n")
			continue
		}
		field(int64(word(f, 0)))
		out.WriteByte('\t')
		out.WriteString(funcname(f))
		file, line := funcline1(f, pc, false)
		out.WriteByte('\t')
		out.WriteString(file)
		field(int64(line))
		field(int64(spdelta(f, pc)))
		for table := uint32(0); table < 6; table++ {
			field(int64(pcdata(f, table, pc)))
		}
		field(int64(int32(word(f, 2)))) // args
		field(int64(word(f, 3)))        // deferreturn
		tail := (*[4]uint8)(unsafe.Pointer(uintptr(f.raw) + 4*tailWord))
		field(int64(tail[0])) // funcID
		field(int64(tail[1])) // flag
		field(startLine(f))
		for i := uint8(0); i < 9; i++ {
			if p := funcdata(f, i); p == nil {
				out.WriteString("\t-")
			} else {
				field(int64(uintptr(p)))
			}
		}
		out.WriteByte('\n')
	}
	if err := out.Flush(); err != nil {
		panic(err)
	}
}
