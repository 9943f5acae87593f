//! Keeps a core from going to sleep until standard input ends: started with idle priority, it runs only where nobody
//! else wants to. A virtual processor that sleeps between two calls is charged for waking and for cold caches, which on
//! some machines is more than the work that is measured.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

static ENDED: AtomicBool = AtomicBool::new(false);

fn main() {
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ENDED.store(true, Ordering::Relaxed);
    });
    while !ENDED.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
}
