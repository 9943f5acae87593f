//! Seeded mutations: the same on every machine.

/// Makes inputs out of others.
#[derive(Debug)]
pub struct Mutator<'a> {
    state: u64,
    seeds: &'a [Vec<u8>],
    tokens: &'a [Vec<u8>],
}

impl<'a> Mutator<'a> {
    /// A mutator over inputs to start from, of which there is at least one, and tokens.
    pub fn new(seed: u64, seeds: &'a [Vec<u8>], tokens: &'a [Vec<u8>]) -> Self {
        Mutator { state: seed, seeds, tokens }
    }

    /// The next input, of at most this length.
    pub fn input(&mut self, bytes_max: usize) -> Vec<u8> {
        let mut input = self.pick(self.seeds).clone();
        for _ in 0..=self.below(4) {
            self.change(&mut input);
        }
        input.truncate(bytes_max);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (from, to) = (self.below(input.len() + 1), self.below(input.len() + 1));
        let (from, to) = (from.min(to), from.max(to));
        match self.below(8) {
            0 if from < input.len() => input[from] ^= 1 << self.below(8),
            1 if from < input.len() => input[from] = self.byte(),
            2 => input.truncate(to),
            3 => drop(input.drain(from..to.min(from + 64))),
            4 => {
                let again = input[from..to.min(from + 256)].to_vec();
                input.splice(to..to, again);
            }
            5 => {
                let other = self.pick(self.seeds);
                let start = self.below(other.len() + 1);
                input.truncate(from);
                input.extend(&other[start..]);
            }
            6 => {
                let token = self.pick(self.tokens).clone();
                let end = if self.below(2) == 0 { from } else { to.min(from + token.len()) };
                input.splice(from..end, token);
            }
            _ => input.insert(from, self.byte()),
        }
    }

    fn byte(&mut self) -> u8 {
        const COMMON: &[u8] = b"\"\\{}[]:,0e.-~/\n\0\x7f\x80\xfe\xff";
        COMMON[self.below(COMMON.len())]
    }

    fn pick(&mut self, several: &'a [Vec<u8>]) -> &'a Vec<u8> {
        &several[self.below(several.len())]
    }

    /// A number below a limit, by SplitMix64.
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.state;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((number ^ (number >> 31)) % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}
