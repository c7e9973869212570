package main

import (
	"bytes"
	"strings"
	"unsafe"
)

var (
	roomy     [][]item
	tails     [][]byte
	bits      []string
	repeated  []string
	hollow    map[int]*item
	idle      chan [4]uint64
	slack     []byte
	emptied   []*item
	roomyText *bytes.Buffer
)

func fillWaste() {
	roomy = make([][]item, 10)
	for i := range roomy {
		roomy[i] = make([]item, 3, 100)
		path := at("main.roomy", i)
		tellBacking(unsafe.Pointer(&roomy[i][0]), "main.item", 3, 100, "main.roomy", path)
		tellWaste("slice", path, 1, 97*int(unsafe.Sizeof(item{})))
	}
	tellBacking(unsafe.Pointer(&roomy[0]), "[]main.item", 10, 10, "main.roomy", "main.roomy")
	tellRetained("main.roomy", true)

	// Ten bytes at the end of a hundred thousand; and of a string.
	tails = make([][]byte, 5)
	for i := range tails {
		all := make([]byte, 100000)
		tails[i] = all[len(all)-10:]
		path := at("main.tails", i)
		tell(unsafe.Pointer(&all[0]), fact{typ: "uint8", shape: "interior", length: 100000, capacity: 100000,
			paths: []string{path}, only: "main.tails"})
		tellWaste("pin", path, 1, 100000-10)
	}
	bits = make([]string, 5)
	for i := range bits {
		all := strings.Repeat(label("a long text", i), 1000)
		bits[i] = all[5000:5020]
		path := at("main.bits", i)
		tell(textOf(all), fact{typ: "string", shape: "interior", length: len(all), capacity: len(all),
			paths: []string{path}, only: "main.bits"})
		tellWaste("pin", path, 1, len(all)-20)
	}

	repeated = make([]string, 500)
	for i := range repeated {
		repeated[i] = string(append([]byte(nil), "the same text once more, and again"...))
		tellString(repeated[i], "main.repeated", at("main.repeated", i))
	}
	tellWaste("duplicate", "the same text once more, and again", 500, 499*34)

	hollow = make(map[int]*item, 10000)
	for i := 0; i < 10; i++ {
		hollow[i] = newItem(i)
		tellAt(unsafe.Pointer(hollow[i]), "main.item", "main.hollow", at("main.hollow", i))
	}
	tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&hollow)), "map[int]*main.item", 10, "main.hollow", "main.hollow")
	tellWaste("map", "main.hollow", 1, 9990*16)

	idle = make(chan [4]uint64, 1000)
	tellChannel(*(*unsafe.Pointer)(unsafe.Pointer(&idle)), "chan [4]uint64", 0, 1000, "main.idle", "main.idle")
	tellWaste("chan", "main.idle", 1, 1000*32)

	slack = make([]byte, 10, 50000)
	tellBacking(unsafe.Pointer(&slack[0]), "uint8", 10, 50000, "main.slack", "main.slack")
	tellWaste("slice", "main.slack", 1, 49990)
	emptied = make([]*item, 0, 2000)
	tellBacking(unsafe.Pointer(&emptied[:1][0]), "*main.item", 0, 2000, "main.emptied", "main.emptied")
	tellWaste("slice", "main.emptied", 1, 16000)
	roomyText = new(bytes.Buffer)
	roomyText.Grow(20000)
	roomyText.WriteString("little")
	tellWaste("slice", "main.roomyText.buf", 1, roomyText.Cap()-roomyText.Len())
}
