use super::*;

#[test]
fn maps_lines_are_parsed() {
    let text = b"\
00400000-00401000 r--p 00000000 08:01 123                                /a dir/prog (deleted)
c000000000-c000400000 rw-p 00000000 00:00 0 
7ffd0000-7ffd1000 ---s 00002000 00:00 0                          [stack]
garbage
";
    let maps = parse_maps(text);
    assert_eq!(maps.len(), 3);
    assert_eq!(maps[0].start, Addr::new(0x400000));
    assert_eq!(maps[0].name.as_deref(), Some(Path::new("/a dir/prog")));
    assert!(maps[0].read && !maps[0].write && !maps[0].execute);
    assert_eq!(maps[1].name, None);
    assert!(maps[1].write);
    assert_eq!(maps[2].offset, 0x2000);
    assert!(!maps[2].read);
}

#[test]
fn stat_is_counted_from_the_last_parenthesis() {
    let mut stat = b"7 (a) b (c) S 1 7 7 0 -1 2129984".to_vec();
    for field in 10..=22 {
        stat.extend(format!(" {field}").bytes());
    }
    assert_eq!(flags_and_start(&stat), (2129984, 22));
    assert_eq!(flags_and_start(b"nonsense"), (0, 0));
}

#[test]
fn auxv_ends_at_null() {
    let words = [9u64, 0x401000, 0, 0, 3, 4];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    assert_eq!(parse_auxv(DataModel::LITTLE64, &bytes), [(9, 0x401000)]);
}
