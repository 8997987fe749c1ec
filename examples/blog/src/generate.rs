//! Posts for those who have none.

use fastrand::Rng;
use std::fs;
use std::io;
use std::path::Path;

const SYLLABLES: [&str; 16] = [
    "ba", "cor", "dan", "el", "fi", "gor", "hu", "il", "jem", "ko", "lu", "mar", "no", "pel", "ri",
    "sto",
];

/// Writes as many into the folder, a hundred words or more each, the same ones for the same
/// number. One link in a hundred is broken.
pub(crate) fn generate(folder: &Path, count: usize) -> io::Result<()> {
    let mut rng = Rng::with_seed(7);
    for number in 0..count {
        let subfolder = folder.join(format!("{:03}", number / 100));
        fs::create_dir_all(&subfolder)?;
        let text = post(number, count, &mut rng);
        fs::write(subfolder.join(format!("post-{number:05}.md")), text)?;
    }
    Ok(())
}

fn post(number: usize, count: usize, rng: &mut Rng) -> String {
    let mut text = format!("# {} {} {number}\n\n", word(rng), word(rng));
    for _ in 0..rng.usize(4..12) {
        for _ in 0..rng.usize(30..90) {
            text += &word(rng);
            text += match rng.u8(..40) {
                0 => ". ",
                1 => ", ",
                _ => " ",
            };
        }
        let other = rng.usize(..count);
        let file = match rng.u8(..100) {
            0 => "gone.md".to_owned(),
            _ => format!("../{:03}/post-{other:05}.md", other / 100),
        };
        text += &format!(
            "\n\nSee [*{}* of **{}**]({file}).\n\n",
            word(rng),
            word(rng)
        );
    }
    text
}

/// Some are much more frequent than others.
fn word(rng: &mut Rng) -> String {
    let most = 1 << rng.u32(2..14);
    let mut number = rng.usize(..most);
    let mut word = String::new();
    loop {
        word += SYLLABLES[number % SYLLABLES.len()];
        number /= SYLLABLES.len();
        if number == 0 {
            return word;
        }
    }
}
