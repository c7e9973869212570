//go:build go1.20

package main

const tailWord = 10

func startLine(f funcInfo) int64 { return int64(int32(word(f, 9))) }
