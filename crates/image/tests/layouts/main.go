// Prints the types of an executable as Go's own debug/dwarf reads them:
//
//	layouts EXECUTABLE
//
// One line for each type, its parts separated by tabs: kind (struct, array, base, pointer, typedef),
// name, size or -1, target or element or "", count or -1; and behind each struct, a line for each
// member: member, name, offset, type.
package main

import (
	"bufio"
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"os"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	file := must(elf.Open(os.Args[1]))
	data := must(file.DWARF())
	names := map[dwarf.Offset]string{}
	for reader := data.Reader(); ; {
		entry := must(reader.Next())
		if entry == nil {
			break
		}
		name, _ := entry.Val(dwarf.AttrName).(string)
		names[entry.Offset] = name
	}
	kinds := map[dwarf.Tag]string{
		dwarf.TagStructType:  "struct",
		dwarf.TagArrayType:   "array",
		dwarf.TagBaseType:    "base",
		dwarf.TagPointerType: "pointer",
		dwarf.TagTypedef:     "typedef",
	}
	number := func(entry *dwarf.Entry, attr dwarf.Attr) int64 {
		if value, ok := entry.Val(attr).(int64); ok {
			return value
		}
		return -1
	}
	target := func(entry *dwarf.Entry) string {
		if offset, ok := entry.Val(dwarf.AttrType).(dwarf.Offset); ok {
			return names[offset]
		}
		return ""
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for reader := data.Reader(); ; {
		entry := must(reader.Next())
		if entry == nil {
			break
		}
		kind, ok := kinds[entry.Tag]
		if !ok {
			// A generic function's type parameters are typedefs of its own.
			if entry.Tag != dwarf.TagCompileUnit {
				reader.SkipChildren()
			}
			continue
		}
		var members []string
		count := int64(-1)
		if entry.Children {
			for child := must(reader.Next()); child.Tag != 0; child = must(reader.Next()) {
				switch child.Tag {
				case dwarf.TagMember:
					members = append(members, fmt.Sprintf("member\t%s\t%d\t%s", names[child.Offset],
						number(child, dwarf.AttrDataMemberLoc), target(child)))
				case dwarf.TagSubrangeType:
					count = number(child, dwarf.AttrCount)
				}
			}
		}
		fmt.Fprintf(out, "%s\t%s\t%d\t%s\t%d\n", kind, names[entry.Offset],
			number(entry, dwarf.AttrByteSize), target(entry), count)
		for _, member := range members {
			fmt.Fprintln(out, member)
		}
	}
}
