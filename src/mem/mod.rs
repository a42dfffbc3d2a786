//! Memory of the data plane: blocks and their pool, the send queue, the table, the wheel.
//! Knows no sockets and no HTTP.

mod bytes;
mod file_range;
mod pool;
mod read_block;
mod send_queue;
mod slab;
mod timer_wheel;

pub use bytes::Bytes;
pub use file_range::FileRange;
pub use pool::Pool;
pub use read_block::ReadBlock;
pub use send_queue::{Segments, SendQueue};
pub use slab::{Key, Slab};
pub use timer_wheel::TimerWheel;
