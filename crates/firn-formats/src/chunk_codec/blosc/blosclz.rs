//! BloscLZ, decoding only: FastLZ level 2 in a stream of literal runs and matches.
//!
//! An instruction starts with one byte. Below 32 it is a run of so many literals plus one. Otherwise its upper three bits
//! are the length of a match minus 1 (7: further bytes are added until one is not 255) and its lower five bits the upper
//! part of the distance, whose lower eight follow. A distance with all of these bits set is followed by 16 bits more.
//! The first instruction is always literals, whatever its upper bits say.

/// Distances up to this one fit the instruction itself.
const MAX_NEAR: usize = 8191;

/// Decodes into exactly `out`; `None` where the stream is damaged or gives another length.
pub(super) fn decode(encoded: &[u8], out: &mut [u8]) -> Option<()> {
    let mut control = usize::from(*encoded.first()? & 31);
    let mut rest = &encoded[1..];
    let mut at = 0usize;
    loop {
        let length = if control < 32 {
            let (literals, after) = rest.split_at_checked(control + 1)?;
            out.get_mut(at..at + literals.len())?.copy_from_slice(literals);
            rest = after;
            literals.len()
        } else {
            let mut length = (control >> 5) + 2;
            if control >> 5 == 7 {
                loop {
                    let more = next(&mut rest)?;
                    length += more;
                    if more != 255 {
                        break;
                    }
                }
            }
            let low = next(&mut rest)?;
            let mut distance = ((control & 31) << 8) + low + 1;
            if low == 255 && control & 31 == 31 {
                distance = (next(&mut rest)? << 8) + next(&mut rest)? + MAX_NEAR + 1;
            }
            copy_match(out, at, distance, length)?;
            length
        };
        at += length;
        match next(&mut rest) {
            Some(byte) => control = byte,
            None => return (at == out.len()).then_some(()),
        }
    }
}

fn next(rest: &mut &[u8]) -> Option<usize> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(usize::from(*first))
}

/// Copies `length` bytes from `distance` back, where both may overlap.
fn copy_match(out: &mut [u8], at: usize, distance: usize, length: usize) -> Option<()> {
    let from = at.checked_sub(distance)?;
    if at.checked_add(length)? > out.len() {
        return None;
    }
    if distance >= length {
        out.copy_within(from..from + length, at);
    } else {
        for i in 0..length {
            out[at + i] = out[from + i];
        }
    }
    Some(())
}
