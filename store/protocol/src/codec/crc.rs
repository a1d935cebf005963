//! CRC32C, which finds every burst of up to 32 damaged bits and every three damaged bits in a value
//! of the length of ours.
//!
//! Source: Castagnoli et al., "Optimization of Cyclic Redundancy-Check Codes" (1993); the form of
//! RFC 3720, appendix B.4; eight bytes at a time as in Kounavis and Berry, "A Systematic
//! Approach to Building High Performance Software-based CRC Generators" (2005).

/// The polynomial with its bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;
const LANES: usize = 8;

/// What a byte does to the remainder, for each of the places of a word.
static TABLES: [[u32; 256]; LANES] = tables();

#[expect(clippy::indexing_slicing, reason = "all of it is computed when this is compiled")]
const fn tables() -> [[u32; 256]; LANES] {
    let mut tables = [[0; 256]; LANES];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = (rest >> 1) ^ if rest & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][byte] = rest;
        byte += 1;
    }
    let mut lane = 1;
    while lane < LANES {
        let mut byte = 0;
        while byte < 256 {
            let rest = tables[lane - 1][byte];
            tables[lane][byte] = (rest >> 8) ^ tables[0][(rest & 0xff) as usize];
            byte += 1;
        }
        lane += 1;
    }
    tables
}

/// The checksum of these bytes.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    let (words, tail) = bytes.as_chunks::<LANES>();
    let rest = words.iter().fold(u32::MAX, |rest, word| {
        let mixed = u64::from_le_bytes(*word) ^ u64::from(rest);
        let lanes = TABLES.iter().rev().zip(mixed.to_le_bytes());
        lanes.fold(0, |sum, (table, byte)| sum ^ entry(table, byte))
    });
    let [table, ..] = &TABLES;
    !tail.iter().fold(rest, |rest, byte| (rest >> 8) ^ entry(table, rest as u8 ^ byte))
}

#[expect(clippy::indexing_slicing, reason = "a byte is less than 256")]
fn entry(table: &[u32; 256], byte: u8) -> u32 {
    table[usize::from(byte)]
}

#[cfg(test)]
mod a_checksum {
    use super::*;

    #[test]
    fn is_that_of_the_standard() {
        // RFC 3720, appendix B.4, and the check value of the CRC catalogues.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        let rising: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&rising), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn is_the_same_for_every_length_a_byte_at_a_time() {
        let bytes: Vec<u8> = (0..100u32).map(|at| (at * at + 7) as u8).collect();
        for end in 0..bytes.len() {
            let slow = bytes[..end].iter().fold(u32::MAX, |rest, byte| {
                (0..8).fold(rest ^ u32::from(*byte), |rest, _| {
                    (rest >> 1) ^ if rest & 1 == 1 { POLYNOMIAL } else { 0 }
                })
            });
            assert_eq!(crc32c(&bytes[..end]), !slow, "{end}");
        }
    }
}
