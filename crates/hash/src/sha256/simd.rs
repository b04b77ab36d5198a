//! The compression function with 128-bit SIMD.

use core::arch::wasm32::{
    i8x16_shuffle, u32x4, u32x4_add, u32x4_extract_lane, u32x4_shl, u32x4_shr, u32x4_shuffle, u64x2,
    u64x2_shr, u64x2_splat, v128, v128_xor,
};

/// The constants of the rounds, four in a vector.
static K: [v128; 16] = [
    u32x4(0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5),
    u32x4(0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5),
    u32x4(0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3),
    u32x4(0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174),
    u32x4(0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc),
    u32x4(0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da),
    u32x4(0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7),
    u32x4(0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967),
    u32x4(0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13),
    u32x4(0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85),
    u32x4(0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3),
    u32x4(0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070),
    u32x4(0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5),
    u32x4(0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3),
    u32x4(0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208),
    u32x4(0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2),
];

/// The working variables, `a` to `h`.
type State = [u32; 8];

/// Hashes blocks into a state.
pub(super) fn compress(state: &mut State, blocks: &[[u8; 64]]) {
    for block in blocks {
        let mut working = *state;
        let mut words = load(block);
        let mut next = u32x4_add(words[0], K[0]);
        for constants in &K[1..13] {
            let now = next;
            words = schedule(words);
            next = u32x4_add(words[0], *constants);
            working = rounds(working, now);
        }
        let [_, w13, w14, w15] = words;
        working = rounds(working, next);
        working = rounds(working, u32x4_add(w13, K[13]));
        working = rounds(working, u32x4_add(w14, K[14]));
        working = rounds(working, u32x4_add(w15, K[15]));
        for (word, worked) in state.iter_mut().zip(working) {
            *word = word.wrapping_add(worked);
        }
    }
}

/// The 16 words of a block, which are big-endian.
#[inline(always)]
fn load(block: &[u8; 64]) -> [v128; 4] {
    let (halves, _) = block.as_chunks::<8>();
    core::array::from_fn(|n| {
        let half = |at: usize| halves.get(at).map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let bytes = u64x2(half(2 * n), half(2 * n + 1));
        i8x16_shuffle::<3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12>(bytes, bytes)
    })
}

/// Four rounds, with words to which their constants were added.
#[inline(always)]
fn rounds(state: State, words: v128) -> State {
    let state = round(state, u32x4_extract_lane::<0>(words));
    let state = round(state, u32x4_extract_lane::<1>(words));
    let state = round(state, u32x4_extract_lane::<2>(words));
    round(state, u32x4_extract_lane::<3>(words))
}

/// One round. The value that the next round waits for is added last. The two parts of the majority have no bit in
/// common, so their sum equals their `^`.
#[inline(always)]
fn round([a, b, c, d, e, f, g, h]: State, word: u32) -> State {
    let choice = g ^ (e & (f ^ g));
    let of_a = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
    let of_e = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
    let part = h.wrapping_add(word).wrapping_add(choice);
    let sum = part.wrapping_add(of_e).wrapping_add(b & c).wrapping_add(a & (b ^ c));
    [sum.wrapping_add(of_a), a, b, c, d.wrapping_add(part).wrapping_add(of_e), e, f, g]
}

/// Advances the schedule from the words `t` to `t + 15` to the words `t + 4` to `t + 19`.
#[inline(always)]
fn schedule([w0, w4, w8, w12]: [v128; 4]) -> [v128; 4] {
    let w1 = u32x4_shuffle::<1, 2, 3, 4>(w0, w4);
    let w9 = u32x4_shuffle::<1, 2, 3, 4>(w8, w12);
    let (right7, left14) = (u32x4_shr(w1, 7), u32x4_shl(w1, 14));
    let rotated7 = v128_xor(right7, u32x4_shl(left14, 11));
    let rotated18 = v128_xor(u32x4_shr(right7, 11), left14);
    let sigma = v128_xor(v128_xor(rotated7, rotated18), u32x4_shr(w1, 3));
    let sum = u32x4_add(u32x4_add(w0, w9), sigma);
    // The last two need the first two.
    let none = u64x2_splat(0);
    let sum =
        u32x4_add(sum, u32x4_shuffle::<0, 2, 4, 4>(sigma1(u32x4_shuffle::<2, 2, 3, 3>(w12, w12)), none));
    let sum =
        u32x4_add(sum, u32x4_shuffle::<4, 4, 0, 2>(sigma1(u32x4_shuffle::<0, 0, 1, 1>(sum, sum)), none));
    [w4, w8, w12, sum]
}

/// The other function of the schedule, for two words. Each is present twice, so that a shift of both copies
/// rotates the word.
#[inline(always)]
fn sigma1(words: v128) -> v128 {
    let rotated17 = u64x2_shr(words, 17);
    v128_xor(v128_xor(rotated17, u64x2_shr(rotated17, 2)), u32x4_shr(words, 10))
}
