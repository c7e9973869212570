package main

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

var (
	truthFD   = -1
	truthLine [1 << 16]byte
	truthLen  int
)

// openTruth makes the file that TRUTH_FILE names; without it nothing is told.
func openTruth() {
	path := os.Getenv("TRUTH_FILE")
	if path == "" {
		return
	}
	fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC|syscall.O_CLOEXEC, 0600)
	if err != nil {
		say("error " + err.Error())
		os.Exit(1)
	}
	truthFD = fd
}

func closeTruth() {
	tellLine(`{"is":"end"}`)
	flushTruth()
	if truthFD >= 0 {
		syscall.Close(truthFD)
	}
}

func flushTruth() {
	for b := truthLine[:truthLen]; truthFD >= 0 && len(b) > 0; {
		n, err := syscall.Write(truthFD, b)
		if err != nil {
			say("error " + err.Error())
			os.Exit(1)
		}
		b = b[n:]
	}
	truthLen = 0
}

// telling is held while a line is added: goroutines tell of what they hold themselves.
var telling = make(chan bool, 1)

func tellLine(line string) {
	telling <- true
	if truthLen+len(line)+1 > len(truthLine) {
		flushTruth()
	}
	truthLen += copy(truthLine[truthLen:], line)
	truthLen += copy(truthLine[truthLen:], "\n")
	<-telling
}

// fact is what is told of an object.
type fact struct {
	// typ is its type; of a backing array that of its elements, of a closure its function's name.
	typ string
	// shape is how the type is meant: value, backing, string, map, chan, closure, tiny, interior (an
	// array that only a pointer to an element leads to), raw (nothing tells its type).
	shape string
	// length and capacity are a slice's, or a string's.
	length, capacity int
	// paths are ways of writing the path that holds it; "[?]" stands for any key.
	paths []string
	// begins is what the path begins with, if that is all that is certain.
	begins string
	// only is the root without which it would not be reachable.
	only string
	// loose is set if nothing holds it.
	loose bool
}

//go:noinline
func tell(p unsafe.Pointer, f fact) {
	if truthFD < 0 {
		return
	}
	line := `{"is":"object","at":"` + strconv.FormatUint(uint64(uintptr(p)), 16) +
		`","type":` + strconv.Quote(f.typ) + `,"shape":"` + f.shape +
		`","len":` + strconv.Itoa(f.length) + `,"cap":` + strconv.Itoa(f.capacity) +
		`,"begins":` + strconv.Quote(f.begins) + `,"only":` + strconv.Quote(f.only) +
		`,"held":` + strconv.FormatBool(!f.loose) + `,"paths":[`
	for i, path := range f.paths {
		if i > 0 {
			line += ","
		}
		line += strconv.Quote(path)
	}
	tellLine(line + "]}")
}

// tellAt tells of a value at a path that can be written in one way.
//
//go:noinline
func tellAt(p unsafe.Pointer, typ, only, path string) {
	tell(p, fact{typ: typ, shape: "value", paths: []string{path}, only: only})
}

// tellBacking tells of a slice's array.
//
//go:noinline
func tellBacking(p unsafe.Pointer, elem string, length, capacity int, only, path string) {
	tell(p, fact{typ: elem, shape: "backing", length: length, capacity: capacity,
		paths: []string{path}, only: only})
}

// tellString tells of a string's bytes; below 16 they are in a block of the tiny allocator.
//
//go:noinline
func tellString(s, only, path string) {
	shape := "string"
	if len(s) < 16 {
		shape = "tiny"
	}
	tell(textOf(s), fact{typ: "string", shape: shape, length: len(s), capacity: len(s),
		paths: []string{path}, only: only})
}

func textOf(s string) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&s)) }

// tellRetained says that a root holds, alone, what was told of it: `whole` if that is all.
func tellRetained(root string, whole bool) {
	tellLine(`{"is":"retained","root":` + strconv.Quote(root) + `,"whole":` + strconv.FormatBool(whole) + `}`)
}

func tellGoroutines(function string, count int, leaked bool) {
	tellLine(`{"is":"goroutines","function":` + strconv.Quote(function) +
		`,"count":` + strconv.Itoa(count) + `,"leaked":` + strconv.FormatBool(leaked) + `}`)
}

func tellWaste(kind, path string, count, bytes int) {
	tellLine(`{"is":"waste","kind":"` + kind + `","path":` + strconv.Quote(path) +
		`,"count":` + strconv.Itoa(count) + `,"bytes":` + strconv.Itoa(bytes) + `}`)
}

// label makes a string of its own on the heap.
//
//go:noinline
func label(prefix string, i int) string {
	b := append([]byte(prefix), '-')
	return string(strconv.AppendInt(b, int64(i), 10))
}

// at writes an index or a key.
func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func under(path, key string) string { return path + "[" + strconv.Quote(key) + "]" }
