//! The certificates that a host gives its guests along with a report.
//!
//! Source: AMD, "SEV-ES Guest-Hypervisor Communication Block Standardization" (56421, 2.03),
//! section 4.1.8: a table of names, offsets and lengths that ends with an entry of zeros.

use crate::limits::TABLE_ENTRIES_MAX;

const ENTRY_BYTES: usize = 24;
/// `63da758d-e664-4564-adc5-f4b93be8accd`: the key of the chip, for firmware of this version.
const VCEK: [u8; 16] = [
    0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd,
];

/// The chip's certificate, if it is there. An empty table has none.
/// # Errors  `()` if it is no table.
pub(super) fn vcek(table: &[u8]) -> Result<Option<&[u8]>, ()> {
    if table.is_empty() {
        return Ok(None);
    }
    let mut found = None;
    for entry in table.chunks(ENTRY_BYTES).take(TABLE_ENTRIES_MAX) {
        let (name, place) = entry.split_first_chunk::<16>().ok_or(())?;
        if *name == [0; 16] {
            return Ok(found);
        }
        let (offset, length) = place.split_first_chunk::<4>().ok_or(())?;
        let length = length.first_chunk::<4>().ok_or(())?;
        let (offset, length) = (u32::from_le_bytes(*offset), u32::from_le_bytes(*length));
        let (offset, length) = (offset as usize, length as usize);
        let end = offset.checked_add(length).ok_or(())?;
        let certificate = table.get(offset..end).ok_or(())?;
        if *name == VCEK {
            found = Some(certificate);
        }
    }
    Err(())
}

#[cfg(test)]
mod a_table {
    use super::*;

    fn entry(name: [u8; 16], offset: u32, length: u32) -> Vec<u8> {
        [&name[..], &offset.to_le_bytes(), &length.to_le_bytes()].concat()
    }

    #[test]
    fn names_the_chips_certificate_among_others() {
        let other = entry([7; 16], 72, 3);
        let table = [other.clone(), entry(VCEK, 75, 4), vec![0; 24], b"askvcek".to_vec()].concat();
        assert_eq!(vcek(&table), Ok(Some(&b"vcek"[..])));
        let without = [other, vec![0; 24], vec![0; 32]].concat();
        assert_eq!(vcek(&without), Ok(None));
        assert_eq!(vcek(&[]), Ok(None));
        assert_eq!(vcek(&[0; 24]), Ok(None));
    }

    #[test]
    fn that_leads_out_of_itself_or_never_ends_is_none() {
        for (offset, length) in [(48, 5), (52, 1), (u32::MAX, 1), (0, u32::MAX)] {
            let table = [entry(VCEK, offset, length), vec![0; 24], b"vcek".to_vec()].concat();
            assert_eq!(vcek(&table), Err(()), "{offset} {length}");
        }
        let endless = entry(VCEK, 0, 0).repeat(TABLE_ENTRIES_MAX + 1);
        assert_eq!(vcek(&endless), Err(()));
        assert_eq!(vcek(&[1; 30]), Err(()));
    }
}
