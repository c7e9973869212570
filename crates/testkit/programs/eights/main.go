// A program whose data is full of words that could be the length of a string of eight bytes, which
// `go1.24.3` is: 8192 of them, in front of the runtime's variables.
package main

var (
	few  = [16]int{8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8}
	some = [16][16]int{few, few, few, few, few, few, few, few, few, few, few, few, few, few, few, few}
	many = [32][16][16]int{
		some, some, some, some, some, some, some, some, some, some, some, some, some, some, some, some,
		some, some, some, some, some, some, some, some, some, some, some, some, some, some, some, some,
	}
)

func main() {
	for i := range many {
		println(many[i][i%16][0])
	}
}
