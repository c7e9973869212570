//go:build go1.24

package main

import "weak"

func init() {
	weaken = func(n *noted) interface{} { return weak.Make(n) }
}
