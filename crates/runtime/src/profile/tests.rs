use goheap_memory::Addr;

use super::Frame;

#[test]
fn a_pc_outside_of_go_code_is_told_by_its_digits() {
    for (pc, function) in [(0, "(0x0)"), (0x7f00_1234_abcd, "(0x7f001234abcd)")] {
        let frame = Frame::unknown(Addr::new(pc));
        let record = frame.record();
        assert_eq!(record.function, function.as_bytes());
        assert_eq!((record.file, record.line), (b"?".as_slice(), 0));
    }
}
