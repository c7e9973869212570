package main

// extras are what only some versions or builds have; their files add to it.
var extras []func()

func buildExtras() {
	for _, f := range extras {
		f()
	}
}
