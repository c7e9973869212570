//go:build withplugin

package main

import (
	"os"
	"plugin"
	"unsafe"
)

func init() {
	extras = append(extras, func() {
		p, err := plugin.Open(os.Getenv("HOLDERS_PLUGIN"))
		if err != nil {
			say("error " + err.Error())
			return
		}
		for _, name := range []string{"Bss", "Data"} {
			v, err := p.Lookup(name)
			if err != nil {
				say("error " + err.Error())
				return
			}
			declare("plugin's global in "+name, "segment", func(h *node) { *v.(*unsafe.Pointer) = unsafe.Pointer(h) })
		}
	})
}
