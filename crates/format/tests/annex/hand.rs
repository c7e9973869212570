//! Annexes made and read by hand, from `docs/annex.md` alone: no code of the crate is in here.

/// A number: seven bits a byte, the lowest first, the top bit says that more come.
pub(crate) fn number(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 0x7f {
        out.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A length and as many bytes.
pub(crate) fn bytes(bytes: &[u8]) -> Vec<u8> {
    [number(bytes.len() as u64), bytes.to_vec()].concat()
}

/// CRC-32 as gzip has it, bit by bit.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    })
}

/// A block, as told in detail.
pub(crate) struct Block<'a> {
    pub(crate) section: &'a str,
    /// Names, kinds and encoded values.
    pub(crate) columns: Vec<(&'a str, u64, Vec<u8>)>,
    pub(crate) rows: u64,
    /// Bytes at the end of the head.
    pub(crate) more: Vec<u8>,
    /// How the rows are stored, and what is claimed of their length, where it is not so.
    pub(crate) storage: u64,
    pub(crate) length: Option<u64>,
}

impl<'a> Block<'a> {
    pub(crate) fn new(section: &'a str, rows: u64, columns: Vec<(&'a str, u64, Vec<u8>)>) -> Self {
        Block {
            section,
            columns,
            rows,
            more: Vec::new(),
            storage: 0,
            length: None,
        }
    }

    pub(crate) fn rows_bytes(&self) -> Vec<u8> {
        let values = self.columns.iter().map(|(_, _, values)| bytes(values));
        values.collect::<Vec<_>>().concat()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let rows = self.rows_bytes();
        let stored = match self.storage {
            1 => zstd::bulk::compress(&rows, 3).unwrap(),
            _ => rows.clone(),
        };
        self.encode_with(
            &stored,
            self.length.unwrap_or(rows.len() as u64),
            stored.len() as u64,
        )
    }

    pub(crate) fn encode_with(&self, stored: &[u8], length: u64, stored_len: u64) -> Vec<u8> {
        let mut head = bytes(self.section.as_bytes());
        head.extend(number(self.columns.len() as u64));
        for (name, kind, _) in &self.columns {
            head.extend(bytes(name.as_bytes()));
            head.extend(number(*kind));
        }
        for value in [self.rows, length, stored_len, self.storage] {
            head.extend(number(value));
        }
        head.extend(&self.more);
        let mut block = number(1);
        block.extend(bytes(&head));
        block.extend(stored);
        let crc = crc32(&block);
        block.extend(crc.to_le_bytes());
        block
    }
}

/// An annex of these blocks, that has `rows` rows in all.
pub(crate) fn annex(first_line: &str, blocks: &[Vec<u8>], rows: u64) -> Vec<u8> {
    let mut annex = first_line.as_bytes().to_vec();
    annex.extend(blocks.concat());
    let mut end = number(0);
    end.extend(number(blocks.len() as u64));
    end.extend(number(rows));
    let length = annex.len() + end.len() + 20;
    end.extend((length as u64).to_le_bytes());
    end.extend(crc32(&end).to_le_bytes());
    end.extend(b"goannex\n");
    annex.extend(end);
    annex
}

/// Reads a whole annex: of each row, its section and its values as `column=value`.
pub(crate) fn read(annex: &[u8]) -> Vec<String> {
    let line = annex.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    assert!(annex[..line].starts_with(b"goheap annex 1."));
    let mut at = line;
    let (mut blocks, mut all_rows) = (0, 0);
    let mut out = Vec::new();
    loop {
        let start = at;
        match take_number(annex, &mut at) {
            0 => {
                assert_eq!(take_number(annex, &mut at), blocks);
                assert_eq!(take_number(annex, &mut at), all_rows);
                let length = u64::from_le_bytes(annex[at..at + 8].try_into().unwrap());
                assert_eq!(length, annex.len() as u64);
                let crc = u32::from_le_bytes(annex[at + 8..at + 12].try_into().unwrap());
                assert_eq!(crc, crc32(&annex[start..at + 8]));
                assert_eq!(&annex[at + 12..], b"goannex\n");
                return out;
            }
            1 => {}
            tag => panic!("tag {tag}"),
        }
        let head_len = take_number(annex, &mut at) as usize;
        let head = &annex[at..at + head_len];
        at += head_len;
        let mut h = 0;
        let section = String::from_utf8(take_bytes(head, &mut h)).unwrap();
        let columns: Vec<(String, u64)> = (0..take_number(head, &mut h))
            .map(|_| {
                let name = String::from_utf8(take_bytes(head, &mut h)).unwrap();
                (name, take_number(head, &mut h))
            })
            .collect();
        let rows = take_number(head, &mut h);
        let length = take_number(head, &mut h) as usize;
        let stored_len = take_number(head, &mut h) as usize;
        let storage = take_number(head, &mut h);
        let stored = &annex[at..at + stored_len];
        at += stored_len;
        let crc = u32::from_le_bytes(annex[at..at + 4].try_into().unwrap());
        assert_eq!(crc, crc32(&annex[start..at]));
        at += 4;
        let plain = match storage {
            0 => stored.to_vec(),
            _ => zstd::bulk::decompress(stored, length).unwrap(),
        };
        assert_eq!(plain.len(), length);
        let mut p = 0;
        let mut lines = vec![section; rows as usize];
        for (name, kind) in columns {
            let values = take_bytes(&plain, &mut p);
            let mut v = 0;
            let mut address = 0u64;
            for line in &mut lines {
                let value = match kind {
                    1 => take_number(&values, &mut v).to_string(),
                    2 => {
                        let step = take_number(&values, &mut v);
                        let half = step / 2;
                        address = match step % 2 {
                            0 => address.wrapping_add(half),
                            _ => address.wrapping_sub(half).wrapping_sub(1),
                        };
                        format!("{address:#x}")
                    }
                    3 | 4 => String::from_utf8_lossy(&take_bytes(&values, &mut v)).into_owned(),
                    5 => {
                        v += 1;
                        ["no", "yes"][usize::from(values[v - 1])].to_owned()
                    }
                    6 => {
                        v += 1;
                        match values[v - 1] {
                            0 => "none".to_owned(),
                            _ => take_number(&values, &mut v).to_string(),
                        }
                    }
                    kind => panic!("kind {kind}"),
                };
                line.push_str(&format!(" {name}={value}"));
            }
            assert_eq!(v, values.len());
        }
        assert_eq!(p, plain.len());
        out.extend(lines);
        blocks += 1;
        all_rows += rows;
    }
}

fn take_number(from: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = from[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn take_bytes(from: &[u8], at: &mut usize) -> Vec<u8> {
    let len = take_number(from, at) as usize;
    *at += len;
    from[*at - len..*at].to_vec()
}
