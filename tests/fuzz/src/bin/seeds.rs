//! Writes the seeds of every target and the dictionary: `cargo run -p fuzz --bin seeds -- <folder>`.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target/fuzz-corpus".to_owned());
    let folder = Path::new(&folder);
    for target in fuzz::TARGETS {
        let place = folder.join(target.name).join("seeds");
        fs::create_dir_all(&place)?;
        fs::write(folder.join(target.name).join("bytes_max"), target.bytes_max.to_string())?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(place.join(format!("{number:03}")), seed)?;
        }
    }
    let line =
        |token: Vec<u8>| format!("\"{}\"\n", token.iter().map(|byte| format!("\\x{byte:02X}")).collect::<String>());
    fs::write(folder.join("dictionary"), fuzz::dictionary().into_iter().map(line).collect::<String>())
}
