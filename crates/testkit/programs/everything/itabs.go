package main

// More types behind interfaces than the writer's cache of types holds (256 buckets of four): with
// two interfaces each, types come twice, and some are written again. They share one shape at each
// level, so that they cost a dictionary each and no code.

type low struct{}
type high struct{}
type pair[A, B any] struct {
	a A
	b B
}

func (pair[A, B]) Speak() string  { return "pair" }
func (pair[A, B]) Walk(n int) int { return n }

func held[A any, P interface {
	*A
	walker
}]() {
	var p P = new(A)
	var s speaker = p
	var w walker = p
	hold = append(hold, s, w)
}

func pairs0[A any]() { held[pair[A, low]](); held[pair[A, high]]() }
func pairs1[A any]() { pairs0[pair[A, low]](); pairs0[pair[A, high]]() }
func pairs2[A any]() { pairs1[pair[A, low]](); pairs1[pair[A, high]]() }
func pairs3[A any]() { pairs2[pair[A, low]](); pairs2[pair[A, high]]() }
func pairs4[A any]() { pairs3[pair[A, low]](); pairs3[pair[A, high]]() }
func pairs5[A any]() { pairs4[pair[A, low]](); pairs4[pair[A, high]]() }
func pairs6[A any]() { pairs5[pair[A, low]](); pairs5[pair[A, high]]() }
func pairs7[A any]() { pairs6[pair[A, low]](); pairs6[pair[A, high]]() }
func pairs8[A any]() { pairs7[pair[A, low]](); pairs7[pair[A, high]]() }

// buildItabs makes 1024 interface tables of 512 types.
func buildItabs() { pairs8[low]() }
