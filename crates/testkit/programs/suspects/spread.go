// Much that is spread over so many variables and types that none of it stands out.

package main

type part0 struct{ data [64]int64 }
type part1 struct{ data [65]int64 }
type part2 struct{ data [66]int64 }
type part3 struct{ data [67]int64 }
type part4 struct{ data [68]int64 }
type part5 struct{ data [69]int64 }
type part6 struct{ data [70]int64 }
type part7 struct{ data [71]int64 }
type part8 struct{ data [72]int64 }
type part9 struct{ data [73]int64 }
type part10 struct{ data [74]int64 }
type part11 struct{ data [75]int64 }
type part12 struct{ data [76]int64 }
type part13 struct{ data [77]int64 }
type part14 struct{ data [78]int64 }
type part15 struct{ data [79]int64 }
type part16 struct{ data [80]int64 }
type part17 struct{ data [81]int64 }
type part18 struct{ data [82]int64 }
type part19 struct{ data [83]int64 }

var (
	parts0  []*part0
	parts1  []*part1
	parts2  []*part2
	parts3  []*part3
	parts4  []*part4
	parts5  []*part5
	parts6  []*part6
	parts7  []*part7
	parts8  []*part8
	parts9  []*part9
	parts10 []*part10
	parts11 []*part11
	parts12 []*part12
	parts13 []*part13
	parts14 []*part14
	parts15 []*part15
	parts16 []*part16
	parts17 []*part17
	parts18 []*part18
	parts19 []*part19
)

func spread(i int) {
	for n := 0; n < 300; n++ {
		switch i {
		case 0:
			parts0 = append(parts0, new(part0))
		case 1:
			parts1 = append(parts1, new(part1))
		case 2:
			parts2 = append(parts2, new(part2))
		case 3:
			parts3 = append(parts3, new(part3))
		case 4:
			parts4 = append(parts4, new(part4))
		case 5:
			parts5 = append(parts5, new(part5))
		case 6:
			parts6 = append(parts6, new(part6))
		case 7:
			parts7 = append(parts7, new(part7))
		case 8:
			parts8 = append(parts8, new(part8))
		case 9:
			parts9 = append(parts9, new(part9))
		case 10:
			parts10 = append(parts10, new(part10))
		case 11:
			parts11 = append(parts11, new(part11))
		case 12:
			parts12 = append(parts12, new(part12))
		case 13:
			parts13 = append(parts13, new(part13))
		case 14:
			parts14 = append(parts14, new(part14))
		case 15:
			parts15 = append(parts15, new(part15))
		case 16:
			parts16 = append(parts16, new(part16))
		case 17:
			parts17 = append(parts17, new(part17))
		case 18:
			parts18 = append(parts18, new(part18))
		case 19:
			parts19 = append(parts19, new(part19))
		}
	}
}
