use super::*;

#[test]
fn the_scan_bit_is_no_state() {
    assert_eq!(GoroutineState::from_status(0x1004), GoroutineState::Waiting);
    assert_eq!(GoroutineState::from_status(6), GoroutineState::Dead);
    assert_eq!(GoroutineState::from_status(5), GoroutineState::Unknown(5));
    assert_eq!(GoroutineState::Unknown(5).to_string(), "status 0x5");
}
