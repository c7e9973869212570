//! Compressed dumps: independent zstd frames, and a table that tells where each begins.
//!
//! Each frame holds one mebibyte of the dump. A skippable frame at the end lists their sizes (the
//! "seekable format" of zstd's contrib directory), so that a reader can begin anywhere; `zstd -d`
//! and every other decoder skips it.

use std::io::{self, Write};
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use zstd::bulk::Compressor;
use zstd::zstd_safe;

/// Bytes of the dump in each frame but the last.
pub const FRAME_CONTENT: usize = 1 << 20;

/// Magic number of the skippable frame that the table is in, and that of the table's own end.
pub(crate) const TABLE_MAGIC: u32 = 0x184d_2a5e;
pub(crate) const FOOTER_MAGIC: u32 = 0x8f92_eab1;
/// Bytes of the table's footer: number of frames, descriptor, magic number.
const FOOTER: usize = 9;
/// As many frames as a reader of the format accepts.
const MAX_FRAMES: usize = 0x800_0000;

/// Compresses what is written to it, into independent frames with a seek table at the end.
///
/// [`SeekableWriter::finish`] writes the last frame and the table. A `flush` ends the frame that is
/// being filled.
#[derive(Debug)]
pub struct SeekableWriter<W> {
    content: Vec<u8>,
    engine: Engine<W>,
}

#[derive(Debug)]
enum Engine<W> {
    Here(Frames<W>),
    Thread(Worker<W>),
    /// An error was told already.
    Failed,
}

/// The thread that compresses, and the two queues to it: full blocks there, empty ones back.
#[derive(Debug)]
struct Worker<W> {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<io::Result<Frames<W>>>,
}

impl<W: Write> SeekableWriter<W> {
    /// Compresses on the thread that writes. `level` is zstd's, 0 for its default.
    ///
    /// # Errors
    /// Of zstd.
    pub fn new(sink: W, level: i32) -> io::Result<Self> {
        Ok(SeekableWriter {
            content: Vec::with_capacity(FRAME_CONTENT),
            engine: Engine::Here(Frames::new(sink, level)?),
        })
    }

    /// Writes what is left and the table, and gives the sink back, flushed.
    ///
    /// # Errors
    /// Of the sink and of zstd; what the sink holds is then no whole file.
    pub fn finish(mut self) -> io::Result<W> {
        self.end_frame()?;
        let mut frames = match self.engine {
            Engine::Here(frames) => frames,
            Engine::Thread(worker) => worker.join()?,
            Engine::Failed => return Err(failed()),
        };
        frames.table()?;
        frames.sink.flush()?;
        Ok(frames.sink)
    }

    fn end_frame(&mut self) -> io::Result<()> {
        if self.content.is_empty() {
            return Ok(());
        }
        let done = match &mut self.engine {
            Engine::Here(frames) => {
                let done = frames.frame(&self.content);
                self.content.clear();
                done
            }
            Engine::Thread(worker) => {
                // The queue holds two blocks; with them all under way the writer waits here.
                let next = worker.empty.try_recv().unwrap_or_default();
                match worker.full.send(mem::replace(&mut self.content, next)) {
                    Ok(()) => Ok(()),
                    Err(_) => match mem::replace(&mut self.engine, Engine::Failed) {
                        Engine::Thread(worker) => worker.join().and(Err(failed())),
                        Engine::Here(_) | Engine::Failed => Err(failed()),
                    },
                }
            }
            Engine::Failed => Err(failed()),
        };
        if done.is_err() {
            self.engine = Engine::Failed;
        }
        done
    }
}

impl<W: Write + Send + 'static> SeekableWriter<W> {
    /// Compresses, and writes to `sink`, on a thread of its own. An error of the sink is told by a
    /// later write, or by [`SeekableWriter::finish`].
    ///
    /// # Errors
    /// Of zstd, and of the system if there can be no thread.
    pub fn in_background(sink: W, level: i32) -> io::Result<Self> {
        let mut frames = Frames::new(sink, level)?;
        let (full, blocks) = sync_channel::<Vec<u8>>(2);
        let (back, empty) = sync_channel(4);
        let thread = std::thread::Builder::new()
            .name("compress".into())
            .spawn(move || {
                for mut block in blocks {
                    frames.frame(&block)?;
                    block.clear();
                    // Nobody waits for it when the writer is done; then it is dropped.
                    let _ = back.try_send(block);
                }
                Ok(frames)
            })?;
        Ok(SeekableWriter {
            content: Vec::with_capacity(FRAME_CONTENT),
            engine: Engine::Thread(Worker {
                full,
                empty,
                thread,
            }),
        })
    }
}

impl<W: Write> Write for SeekableWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Engine::Failed = self.engine {
            return Err(failed());
        }
        let room = FRAME_CONTENT.saturating_sub(self.content.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.content.extend_from_slice(taken);
        if self.content.len() >= FRAME_CONTENT {
            self.end_frame()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.end_frame()
    }
}

impl<W> Worker<W> {
    fn join(self) -> io::Result<Frames<W>> {
        drop(self.full);
        match self.thread.join() {
            Ok(result) => result,
            Err(_) => Err(io::Error::other("the compressing thread panicked")),
        }
    }
}

fn failed() -> io::Error {
    io::Error::other("an earlier write failed")
}

/// The compressor, the sink, and the table of what went there.
struct Frames<W> {
    sink: W,
    compressor: Compressor<'static>,
    compressed: Vec<u8>,
    /// Compressed and decompressed size of each frame, in bytes.
    sizes: Vec<(u32, u32)>,
}

impl<W: std::fmt::Debug> std::fmt::Debug for Frames<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames")
            .field("sink", &self.sink)
            .field("frames", &self.sizes.len())
            .finish_non_exhaustive()
    }
}

impl<W: Write> Frames<W> {
    fn new(sink: W, level: i32) -> io::Result<Self> {
        let mut compressor = Compressor::new(level)?;
        compressor.include_checksum(true)?;
        Ok(Frames {
            sink,
            compressor,
            compressed: Vec::with_capacity(zstd_safe::compress_bound(FRAME_CONTENT)),
            sizes: Vec::new(),
        })
    }

    fn frame(&mut self, content: &[u8]) -> io::Result<()> {
        if self.sizes.len() >= MAX_FRAMES {
            return Err(io::Error::other("more frames than a seek table can list"));
        }
        self.compressed.clear();
        self.compressed
            .reserve(zstd_safe::compress_bound(content.len()));
        self.compressor
            .compress_to_buffer(content, &mut self.compressed)?;
        self.sink.write_all(&self.compressed)?;
        self.sizes
            .push((self.compressed.len() as u32, content.len() as u32));
        Ok(())
    }

    fn table(&mut self) -> io::Result<()> {
        let length = self.sizes.len() * 8 + FOOTER;
        let mut table = Vec::with_capacity(8 + length);
        table.extend(TABLE_MAGIC.to_le_bytes());
        table.extend((length as u32).to_le_bytes());
        for (compressed, content) in &self.sizes {
            table.extend(compressed.to_le_bytes());
            table.extend(content.to_le_bytes());
        }
        table.extend((self.sizes.len() as u32).to_le_bytes());
        // Descriptor: no checksums in the table; each frame has its own.
        table.push(0);
        table.extend(FOOTER_MAGIC.to_le_bytes());
        self.sink.write_all(&table)
    }
}
