use super::*;

fn never() -> Option<i32> {
    None
}

fn always() -> Option<i32> {
    Some(15)
}

#[test]
fn every_byte_in_its_order() {
    let mut out = Threaded::new(Vec::new(), never).unwrap();
    let mut expected = Vec::new();
    for (n, len) in [1, 7, BUFFER - 8, 1, 0, BUFFER, 3 * BUFFER + 5, 100]
        .into_iter()
        .enumerate()
    {
        let piece: Vec<u8> = (0..len).map(|i| (i * 31 + n) as u8).collect();
        out.write_all(&piece).unwrap();
        expected.extend_from_slice(&piece);
    }
    assert_eq!(out.finish().unwrap(), expected);
}

#[test]
fn nothing_at_all() {
    assert_eq!(
        Threaded::new(Vec::new(), never).unwrap().finish().unwrap(),
        b""
    );
}

/// Takes some bytes, then is full.
struct Small(usize);

impl Write for Small {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let n = buf.len().min(self.0);
        self.0 -= n;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_error_of_a_full_disk_comes_back() {
    let mut out = Threaded::new(Small(BUFFER + 5), never).unwrap();
    let piece = vec![1; BUFFER];
    let error = (0..100).find_map(|_| out.write_all(&piece).err()).unwrap();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);

    let mut out = Threaded::new(Small(5), never).unwrap();
    out.write_all(&[0; 6]).unwrap();
    assert_eq!(
        out.finish().err().unwrap().kind(),
        io::ErrorKind::StorageFull
    );
}

/// A pipe that nobody reads.
struct Stuck(std::sync::mpsc::Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        let _nobody = self.0.recv();
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_signal_ends_the_wait_for_a_stuck_reader() {
    let (open, receiver) = std::sync::mpsc::channel();
    let mut out = Threaded::new(Stuck(receiver), always).unwrap();
    let piece = vec![1; BUFFER];
    let error = (0..2 * BUFFERS)
        .find_map(|_| out.write_all(&piece).err())
        .unwrap();
    assert_eq!(signal_of(&error), Some(15));
    drop(open);
}
