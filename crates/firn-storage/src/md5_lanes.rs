//! MD5 sums of several messages side by side.
//!
//! Each step of MD5 waits for the one before, so that a core is idle most of the time; several messages at once take little
//! longer than one. The lanes are plain arrays, of which the compiler makes vectors: eight lanes where the processor has
//! registers of 256 bits, else four.

#![expect(clippy::inline_always, reason = "only within its callers a function may use their instructions")]

use md5::{Digest, Md5};
use multiversion::multiversion;

/// Messages at once, at most.
pub(crate) const LANES: usize = 8;
/// Messages at once where registers are shorter, or where there are no more.
const FEW: usize = 4;
const BLOCK: usize = 64;
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

type Block = [u8; BLOCK];

/// The sums of these messages, in order.
pub fn md5_of_many(messages: &[&[u8]]) -> Vec<[u8; 16]> {
    let at_once = if has_long_registers() { LANES } else { FEW };
    let mut sums = Vec::with_capacity(messages.len());
    for group in messages.chunks(at_once) {
        match group {
            [one] => sums.push(Md5::digest(one).into()),
            group if group.len() <= FEW => sums.extend(four(group)),
            group => sums.extend(eight(group)),
        }
    }
    sums
}

#[cfg(target_arch = "x86_64")]
fn has_long_registers() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_long_registers() -> bool {
    false
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn four(group: &[&[u8]]) -> Vec<[u8; 16]> {
    together::<FEW>(group, |blocks| {
        std::array::from_fn(|word| blocks.map(|block| u32::from_le_bytes(block.as_chunks::<4>().0[word])))
    })
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn eight(group: &[&[u8]]) -> Vec<[u8; 16]> {
    together::<LANES>(group, |blocks| {
        let ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]) = (transposed(&blocks, 0), transposed(&blocks, 32));
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    })
}

/// A word of each of eight blocks, or eight words of a block.
type Row = [u32; LANES];

/// The eight words of each block that begin at this byte, by words: rows are exchanged in pairs, which vectors do at once.
#[inline(always)]
fn transposed(blocks: &[&Block; LANES], first: usize) -> [Row; LANES] {
    let mut rows = [[0; LANES]; LANES];
    for (row, block) in rows.iter_mut().zip(blocks) {
        for (word, bytes) in row.iter_mut().zip(block[first..first + 4 * LANES].as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
    }
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    let ((a0, a1), (a2, a3), (a4, a5), (a6, a7)) = (ones(r0, r1), ones(r2, r3), ones(r4, r5), ones(r6, r7));
    let ((b0, b1), (b2, b3), (b4, b5), (b6, b7)) = (twos(a0, a2), twos(a1, a3), twos(a4, a6), twos(a5, a7));
    let ((c0, c4), (c1, c5), (c2, c6), (c3, c7)) = (fours(b0, b4), fours(b1, b5), fours(b2, b6), fours(b3, b7));
    [c0, c1, c2, c3, c4, c5, c6, c7]
}

#[inline(always)]
fn ones(a: Row, b: Row) -> (Row, Row) {
    ([a[0], b[0], a[1], b[1], a[4], b[4], a[5], b[5]], [a[2], b[2], a[3], b[3], a[6], b[6], a[7], b[7]])
}

#[inline(always)]
fn twos(a: Row, b: Row) -> (Row, Row) {
    ([a[0], a[1], b[0], b[1], a[4], a[5], b[4], b[5]], [a[2], a[3], b[2], b[3], a[6], a[7], b[6], b[7]])
}

#[inline(always)]
fn fours(a: Row, b: Row) -> (Row, Row) {
    ([a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]], [a[4], a[5], a[6], a[7], b[4], b[5], b[6], b[7]])
}

/// `words` gives the sixteen words of a block, in all lanes.
#[inline(always)]
fn together<const N: usize>(group: &[&[u8]], words: impl Fn([&Block; N]) -> [[u32; N]; 16]) -> Vec<[u8; 16]> {
    // A lane that would be empty takes the first message once more.
    let messages: [&[u8]; N] = std::array::from_fn(|lane| group.get(lane).copied().unwrap_or(group[0]));
    // What is behind the last whole block: the rest, a bit, zeros, and the number of bits.
    let ends = messages.map(|message| {
        let rest = message.as_chunks::<BLOCK>().1;
        let mut end = [0; 2 * BLOCK];
        end[..rest.len()].copy_from_slice(rest);
        end[rest.len()] = 0x80;
        let length = if rest.len() < BLOCK - 8 { BLOCK } else { 2 * BLOCK };
        end[length - 8..length].copy_from_slice(&(message.len() as u64).wrapping_mul(8).to_le_bytes());
        (end, length / BLOCK)
    });
    let blocks: [usize; N] = std::array::from_fn(|lane| messages[lane].len() / BLOCK + ends[lane].1);
    let block = |lane: usize, at: usize| -> &Block {
        let whole = messages[lane].as_chunks::<BLOCK>().0;
        whole.get(at).unwrap_or_else(|| &ends[lane].0.as_chunks::<BLOCK>().0[(at - whole.len()).min(1)])
    };
    let mut state = START.map(|word| [word; N]);
    let mut sums = [[0; 16]; N];
    for at in 0..blocks.iter().copied().max().unwrap_or(0) {
        let words = words(std::array::from_fn(|lane| block(lane, at.min(blocks[lane] - 1))));
        compress(&mut state, words);
        for lane in (0..N).filter(|lane| blocks[*lane] == at + 1) {
            for (bytes, words) in sums[lane].as_chunks_mut::<4>().0.iter_mut().zip(&state) {
                *bytes = words[lane].to_le_bytes();
            }
        }
    }
    sums.into_iter().take(group.len()).collect()
}

#[inline(always)]
fn choose(b: u32, c: u32, d: u32) -> u32 {
    d ^ (b & (c ^ d))
}

#[inline(always)]
fn choose_by_last(b: u32, c: u32, d: u32) -> u32 {
    c ^ (d & (b ^ c))
}

#[inline(always)]
fn parity(b: u32, c: u32, d: u32) -> u32 {
    b ^ c ^ d
}

#[inline(always)]
fn last(b: u32, c: u32, d: u32) -> u32 {
    c ^ (b | !d)
}

/// RFC 1321, section 3.4, in all lanes.
#[inline(always)]
fn compress<const N: usize>(state: &mut [[u32; N]; 4], words: [[u32; N]; 16]) {
    let [mut a, mut b, mut c, mut d] = *state;
    macro_rules! step {
        ($mix:ident, $a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $by:literal, $add:literal) => {
            for lane in 0..N {
                let sum = $a[lane].wrapping_add($mix($b[lane], $c[lane], $d[lane]));
                let sum = sum.wrapping_add(words[$word][lane]).wrapping_add($add);
                $a[lane] = sum.rotate_left($by).wrapping_add($b[lane]);
            }
        };
    }
    step!(choose, a, b, c, d, 0, 7, 0xd76a_a478);
    step!(choose, d, a, b, c, 1, 12, 0xe8c7_b756);
    step!(choose, c, d, a, b, 2, 17, 0x2420_70db);
    step!(choose, b, c, d, a, 3, 22, 0xc1bd_ceee);
    step!(choose, a, b, c, d, 4, 7, 0xf57c_0faf);
    step!(choose, d, a, b, c, 5, 12, 0x4787_c62a);
    step!(choose, c, d, a, b, 6, 17, 0xa830_4613);
    step!(choose, b, c, d, a, 7, 22, 0xfd46_9501);
    step!(choose, a, b, c, d, 8, 7, 0x6980_98d8);
    step!(choose, d, a, b, c, 9, 12, 0x8b44_f7af);
    step!(choose, c, d, a, b, 10, 17, 0xffff_5bb1);
    step!(choose, b, c, d, a, 11, 22, 0x895c_d7be);
    step!(choose, a, b, c, d, 12, 7, 0x6b90_1122);
    step!(choose, d, a, b, c, 13, 12, 0xfd98_7193);
    step!(choose, c, d, a, b, 14, 17, 0xa679_438e);
    step!(choose, b, c, d, a, 15, 22, 0x49b4_0821);
    step!(choose_by_last, a, b, c, d, 1, 5, 0xf61e_2562);
    step!(choose_by_last, d, a, b, c, 6, 9, 0xc040_b340);
    step!(choose_by_last, c, d, a, b, 11, 14, 0x265e_5a51);
    step!(choose_by_last, b, c, d, a, 0, 20, 0xe9b6_c7aa);
    step!(choose_by_last, a, b, c, d, 5, 5, 0xd62f_105d);
    step!(choose_by_last, d, a, b, c, 10, 9, 0x0244_1453);
    step!(choose_by_last, c, d, a, b, 15, 14, 0xd8a1_e681);
    step!(choose_by_last, b, c, d, a, 4, 20, 0xe7d3_fbc8);
    step!(choose_by_last, a, b, c, d, 9, 5, 0x21e1_cde6);
    step!(choose_by_last, d, a, b, c, 14, 9, 0xc337_07d6);
    step!(choose_by_last, c, d, a, b, 3, 14, 0xf4d5_0d87);
    step!(choose_by_last, b, c, d, a, 8, 20, 0x455a_14ed);
    step!(choose_by_last, a, b, c, d, 13, 5, 0xa9e3_e905);
    step!(choose_by_last, d, a, b, c, 2, 9, 0xfcef_a3f8);
    step!(choose_by_last, c, d, a, b, 7, 14, 0x676f_02d9);
    step!(choose_by_last, b, c, d, a, 12, 20, 0x8d2a_4c8a);
    step!(parity, a, b, c, d, 5, 4, 0xfffa_3942);
    step!(parity, d, a, b, c, 8, 11, 0x8771_f681);
    step!(parity, c, d, a, b, 11, 16, 0x6d9d_6122);
    step!(parity, b, c, d, a, 14, 23, 0xfde5_380c);
    step!(parity, a, b, c, d, 1, 4, 0xa4be_ea44);
    step!(parity, d, a, b, c, 4, 11, 0x4bde_cfa9);
    step!(parity, c, d, a, b, 7, 16, 0xf6bb_4b60);
    step!(parity, b, c, d, a, 10, 23, 0xbebf_bc70);
    step!(parity, a, b, c, d, 13, 4, 0x289b_7ec6);
    step!(parity, d, a, b, c, 0, 11, 0xeaa1_27fa);
    step!(parity, c, d, a, b, 3, 16, 0xd4ef_3085);
    step!(parity, b, c, d, a, 6, 23, 0x0488_1d05);
    step!(parity, a, b, c, d, 9, 4, 0xd9d4_d039);
    step!(parity, d, a, b, c, 12, 11, 0xe6db_99e5);
    step!(parity, c, d, a, b, 15, 16, 0x1fa2_7cf8);
    step!(parity, b, c, d, a, 2, 23, 0xc4ac_5665);
    step!(last, a, b, c, d, 0, 6, 0xf429_2244);
    step!(last, d, a, b, c, 7, 10, 0x432a_ff97);
    step!(last, c, d, a, b, 14, 15, 0xab94_23a7);
    step!(last, b, c, d, a, 5, 21, 0xfc93_a039);
    step!(last, a, b, c, d, 12, 6, 0x655b_59c3);
    step!(last, d, a, b, c, 3, 10, 0x8f0c_cc92);
    step!(last, c, d, a, b, 10, 15, 0xffef_f47d);
    step!(last, b, c, d, a, 1, 21, 0x8584_5dd1);
    step!(last, a, b, c, d, 8, 6, 0x6fa8_7e4f);
    step!(last, d, a, b, c, 15, 10, 0xfe2c_e6e0);
    step!(last, c, d, a, b, 6, 15, 0xa301_4314);
    step!(last, b, c, d, a, 13, 21, 0x4e08_11a1);
    step!(last, a, b, c, d, 4, 6, 0xf753_7e82);
    step!(last, d, a, b, c, 11, 10, 0xbd3a_f235);
    step!(last, c, d, a, b, 2, 15, 0x2ad7_d2bb);
    step!(last, b, c, d, a, 9, 21, 0xeb86_d391);
    for (words, more) in state.iter_mut().zip([a, b, c, d]) {
        *words = std::array::from_fn(|lane| words[lane].wrapping_add(more[lane]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sum_is_that_of_its_message() {
        let bytes: Vec<u8> = (0..3000_u32).map(|n| (n * 7 % 251) as u8).collect();
        let lengths = [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 2999, 3000];
        for count in 0..lengths.len() {
            let messages: Vec<&[u8]> = lengths[..count].iter().map(|length| &bytes[3000 - length..]).collect();
            let expected: Vec<[u8; 16]> = messages.iter().map(|message| Md5::digest(message).into()).collect();
            assert_eq!(md5_of_many(&messages), expected, "{count}");
        }
    }
}
