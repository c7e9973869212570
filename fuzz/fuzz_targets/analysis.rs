//! Any bytes at all as a dump that is opened as far as it goes, and all that can be asked of it:
//! graph, dominators, types, and the same without user data.

#![no_main]

use goheap_analysis::redact::redact;
use goheap_analysis::types::Types;
use goheap_analysis::{Analysis, Dump, NoWatch, OpenOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let options = OpenOptions { damaged: true };
    let Ok(dump) = Dump::open(Box::new(data.to_vec()), &options, &NoWatch) else {
        return;
    };
    let mut end = 0;
    for id in dump.objects() {
        let (address, size) = (dump.address(id), dump.size(id));
        assert!(address >= end && size > 0);
        end = address + size;
        assert_eq!(dump.find(address), Some((id, 0)));
        assert_eq!(dump.find(end - 1), Some((id, size - 1)));
        assert_eq!(dump.contents(id).len() as u64, size);
        let object = dump.object(id).expect("it was read");
        assert_eq!(
            (object.address, object.contents),
            (address, dump.contents(id))
        );
        dump.each_pointer(id, |at, _| assert!(at < size));
    }
    for frame in dump.frames() {
        assert!(dump.frame_record(frame).is_some());
        dump.frame_at(frame.sp);
        dump.bytes_at(frame.sp);
    }
    for root in dump.roots() {
        assert!(dump.root_pointers().get(root.pointers.clone()).is_some());
    }
    let types = Types::infer(&dump, &NoWatch).expect("nobody interrupts");
    // A damaged dump has no whole copy; what was read of it is written.
    if let Ok((_, redacted)) = redact(&dump, &types, Vec::new(), &NoWatch) {
        let again = Dump::open(Box::new(redacted), &options, &NoWatch).expect("ours");
        assert_eq!(again.object_count(), dump.object_count());
    }
    let _ = Analysis::of(dump, &NoWatch);
});
