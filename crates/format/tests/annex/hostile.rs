//! Annexes that are cut off, absurd or damaged.

use goheap_format::annex::*;
use goheap_format::{Reader, RecordSource, StreamReader};

use crate::hand::{self, Block};
use crate::{annex_of, read, start, with_annex};

const LINE: &str = "goheap annex 1.0\n";

fn notes() -> Vec<Note<'static>> {
    vec![
        Note::Gap(Gap {
            what: b"a span",
            address: 0xc0_0000_2000,
            why: b"torn",
        }),
        Note::WeakHandle(WeakHandle {
            object: 0xc0_0000_1000,
            handle: 0xc0_0000_3000,
        }),
        Note::Capture(Capture {
            source: b"process 1",
            unix_ns: 1 << 60,
            method: b"stop",
            pause_ns: Some(1000),
            stopped_ns: Some(2000),
            tries: 1,
            safe_moment: true,
            gaps: 1,
            monotonic_ns: Some(3000),
            pid: None,
            started: None,
            rss: Some(2 << 20),
            rss_anon: Some(1 << 20),
            passed_over: b"pre-copy: not here",
            copied_in_pause: Some(4096),
            copied: Some(4096),
            extra: Some(4096),
            left: b"",
        }),
    ]
}

fn error(annex: &[u8]) -> String {
    match read(annex) {
        (_, Some(error)) => error.to_string(),
        (lines, None) => panic!("{lines:?}"),
    }
}

/// The error of an annex of this one block.
#[track_caller]
fn check(block: Vec<u8>, at: u64, want: &str) {
    let annex = hand::annex(LINE, &[block], 1);
    let offset = start() + LINE.len() as u64 + at;
    assert_eq!(error(&annex), format!("byte {offset}: {want}"));
}

fn weak(rows: u64, object: &[u8], handle: &[u8]) -> Block<'static> {
    let columns = vec![
        ("object", 2, object.to_vec()),
        ("handle", 2, handle.to_vec()),
    ];
    Block::new("weakhandle", rows, columns)
}

#[test]
fn cut_off_at_every_byte() {
    let whole = annex_of(&notes());
    for len in 1..whole.len() {
        let text = error(&whole[..len]);
        assert!(text.contains("it was cut off"), "{len}: {text}");
    }
    assert!(read(&[]).1.is_none(), "no annex is none that is cut off");
}

#[test]
fn every_byte_changed_is_found_out() {
    let whole = annex_of(&notes());
    let minor = LINE.len() - 2;
    for at in 0..whole.len() {
        for change in [0x01, 0x80, 0xff, 0x10] {
            let mut annex = whole.clone();
            annex[at] ^= change;
            // Another minor version is no fault.
            if at != minor || !annex[at].is_ascii_digit() {
                error(&annex);
            }
        }
    }
}

#[test]
fn what_is_no_annex() {
    let not = format!(
        "byte {}: what stands behind the eof record is no annex of goheap's",
        start()
    );
    for other in [
        &b"x"[..],
        b"goheap annexe 1.0\n",
        b"\0\0\0\0",
        b"go1.7 heap dump\n",
    ] {
        assert_eq!(error(other), not);
    }
    for version in ["2.0", "0.9", "4294967295.1"] {
        let annex = hand::annex(&format!("goheap annex {version}\n"), &[], 0);
        let want = format!(
            "byte {}: the annex is of version {version}, and this goheap knows version 1 only",
            start()
        );
        assert_eq!(error(&annex), want);
    }
    for line in [
        "1\n",
        "1.\n",
        "01.0\n",
        "1.0 \n",
        "1.x\n",
        "1.99999999999\n",
        "\n",
    ] {
        let text = error(format!("goheap annex {line}").as_bytes());
        assert!(text.contains("does not tell a version"), "{line:?}: {text}");
    }
    let endless = [&b"goheap annex "[..], &[b'1'; 1000]].concat();
    assert!(error(&endless).contains("does not tell a version"));
}

#[test]
fn absurd_lengths() {
    let mut head = hand::number(1);
    head.extend(hand::number(u64::MAX));
    check(
        head,
        1,
        "the annex: a block's head of 18446744073709551615 bytes, where 65536 are the most",
    );
    let block = weak(1, &[0], &[0]);
    let head = 2 + 1 + 10 + 1 + 2 * 8;
    check(
        block.encode_with(&[], 1 << 50, 0),
        head + 1 + 8 + 1 + 1,
        "section weakhandle of the annex: rows of 1125899906842624 bytes, where 16777216 are the most",
    );
    check(
        block.encode_with(&[], 4, u64::MAX),
        head + 1 + 1 + 10 + 1,
        "section weakhandle of the annex: stored rows of 18446744073709551615 bytes, where 16777216 \
         are the most",
    );
    check(
        weak(1 << 60, &[0], &[0]).encode(),
        head + 9 + 1 + 1 + 1,
        "section weakhandle of the annex: 1152921504606846976 rows in 4 bytes",
    );
    // Announced, and not there.
    let annex = [LINE.as_bytes(), &block.encode_with(&[1; 4], 4, 1 << 24)].concat();
    assert!(
        error(&annex).ends_with("section weakhandle of the annex: it ends here; it was cut off")
    );
}

#[test]
fn bombs_are_not_gone_off() {
    // A gigabyte of zeros, compressed, that says it is 16 MiB, and one that says it is short.
    let bomb = zstd::bulk::compress(&vec![0; 1 << 30], 1).unwrap();
    let mut block = weak(1, &[0], &[0]);
    block.storage = 1;
    for length in [16 << 20, 4] {
        let text = error(&hand::annex(
            LINE,
            &[block.encode_with(&bomb, length, bomb.len() as u64)],
            1,
        ));
        assert!(text.ends_with("its rows cannot be decompressed"), "{text}");
    }
    // Less than it says.
    let short = zstd::bulk::compress(&[1, 0, 1, 0], 1).unwrap();
    let text = error(&hand::annex(
        LINE,
        &[block.encode_with(&short, 1000, short.len() as u64)],
        1,
    ));
    assert!(text.ends_with("its rows have 4 bytes, not 1000"), "{text}");
}

#[test]
fn rows_that_are_none() {
    let ends = |block: Block<'_>, want: &str| {
        let text = error(&hand::annex(LINE, &[block.encode()], 1));
        assert!(text.ends_with(want), "{text}");
    };
    ends(
        weak(1, &[], &[0]),
        "column 0 has no value of its kind for row 0",
    );
    ends(
        weak(2, &[0, 0], &[0, 0x80]),
        "column 1 has no value of its kind for row 1",
    );
    ends(
        weak(1, &[0, 0], &[0]),
        "column 0 has more values than there are rows",
    );
    let gap = |what: &[u8]| {
        let columns = vec![
            ("what", 3, what.to_vec()),
            ("address", 2, vec![0]),
            ("why", 3, vec![0]),
        ];
        Block::new("gap", 1, columns)
    };
    ends(
        gap(&[5, b'x']),
        "column 0 has no value of its kind for row 0",
    );
    let capture = |pause: &[u8], safe: u8| {
        let columns = vec![
            ("pause_ns", 6, pause.to_vec()),
            ("safe_moment", 5, vec![safe]),
        ];
        Block::new("capture", 1, columns)
    };
    ends(
        capture(&[1], 0),
        "column 0 has no value of its kind for row 0",
    );
    ends(
        capture(&[2, 0], 0),
        "column 0 has no value of its kind for row 0",
    );
    ends(
        capture(&[0], 2),
        "column 1 has no value of its kind for row 0",
    );
    let mut more = weak(1, &[0], &[0]).encode_with(&[1, 0, 1, 0, 7], 5, 5);
    ends_raw(&more, "column 2 does not end where the rows do");
    more = weak(1, &[0], &[0]).encode_with(&[1, 0, 9, 0], 4, 4);
    ends_raw(&more, "column 1 does not end where the rows do");
    let mut odd = weak(1, &[0], &[0]);
    odd.storage = 7;
    ends(odd, "its rows are stored in the way 7, which is not known");
    let kind = Block::new("weakhandle", 1, vec![("object", 3, vec![0])]);
    ends(kind, "column object has the kind 3, not 2");
    ends(Block::new("new", 0, vec![]), "a table of 0 columns");
}

fn ends_raw(block: &[u8], want: &str) {
    let text = error(&hand::annex(LINE, &[block.to_vec()], 1));
    assert!(text.ends_with(want), "{text}");
}

#[test]
fn an_end_that_tells_otherwise() {
    let block = weak(1, &[0], &[0]).encode();
    let blocks = [block.clone(), block];
    let text = error(&hand::annex(LINE, &blocks, 3));
    assert!(
        text.ends_with("its end tells of 3 rows, but there are 2"),
        "{text}"
    );
    let mut annex = LINE.as_bytes().to_vec();
    annex.extend(hand::number(9));
    let text = error(&annex);
    assert!(
        text.ends_with("neither a block nor the end has the tag 9"),
        "{text}"
    );
    annex.truncate(LINE.len());
    annex.extend([0x80, 0]);
    let text = error(&annex);
    assert!(
        text.contains("a tag is not a number in its shortest form"),
        "{text}"
    );
}

#[test]
fn what_stands_behind_is_counted_whoever_reads_it() {
    let annex = annex_of(&notes());
    let dump = with_annex(&[&annex[..], b"behind"].concat());
    let len = annex.len() as u64 + 6;
    let mut stream = StreamReader::new(&dump[..]).unwrap();
    while stream.next_record().unwrap().is_some() {}
    {
        let mut reader = AnnexReader::behind(&mut stream).unwrap().unwrap();
        let mut blocks = 0;
        while reader.next_block().unwrap().is_some() {
            blocks += 1;
        }
        assert_eq!(blocks, 3);
        assert_eq!(reader.position(), start() + annex.len() as u64);
        assert_eq!(reader.behind_end().unwrap(), 6);
    }
    assert_eq!(stream.trailing_len().unwrap(), len);
    assert_eq!(stream.trailing_len().unwrap(), len);
    assert_eq!(stream.position(), start());

    let mut reader = Reader::new(&dump).unwrap();
    while reader.next_record().unwrap().is_some() {}
    assert_eq!(reader.trailing().unwrap().len() as u64, len);
    assert_eq!(RecordSource::trailing_len(&mut reader).unwrap(), len);
}
