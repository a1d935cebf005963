use image::{GenericImageView, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;

/// Red on the left, blue on the right.
fn halves(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| {
        if x < width / 2 { Rgb([220, 20, 20]) } else { Rgb([20, 20, 220]) }
    })
}

fn png(picture: &DynamicImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
    bytes
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 95)).unwrap();
    bytes
}

/// Puts an Exif block with nothing but an orientation behind the first marker of a JPEG.
fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

fn shown(bytes: &[u8]) -> DynamicImage {
    image::load_from_memory(bytes).unwrap()
}

mod a_width {
    use super::*;

    #[test]
    fn is_a_number_or_the_default() {
        assert_eq!(width(b"64"), Ok(64));
        assert_eq!(width(b" 64\n"), Ok(64));
        assert_eq!(width(b""), Ok(WIDTH));
        assert_eq!(width(b"\n"), Ok(WIDTH));
    }

    #[test]
    fn is_refused_out_of_bounds() {
        for text in ["0", "-1", "2049", "64px", "99999999999999999999", "1.5"] {
            assert_eq!(width(text.as_bytes()), Err(Refusal::Width));
        }
        assert_eq!(width(b"\xff"), Err(Refusal::Width));
    }
}

mod a_thumbnail {
    use super::*;

    #[test]
    fn keeps_the_kind_and_the_proportions() {
        let from_jpeg = thumbnail(&jpeg(&halves(600, 300)), 100).unwrap();
        assert_eq!(image::guess_format(&from_jpeg).unwrap(), ImageFormat::Jpeg);
        assert_eq!(shown(&from_jpeg).dimensions(), (100, 50));
        let from_png = thumbnail(&png(&halves(300, 600).into()), 100).unwrap();
        assert_eq!(image::guess_format(&from_png).unwrap(), ImageFormat::Png);
        assert_eq!(shown(&from_png).dimensions(), (100, 200));
    }

    #[test]
    fn shows_what_the_picture_shows() {
        let small = shown(&thumbnail(&jpeg(&halves(640, 480)), 64).unwrap());
        let (left, right) = (small.get_pixel(8, 24), small.get_pixel(56, 24));
        assert!(left[0] > 180 && left[2] < 60);
        assert!(right[2] > 180 && right[0] < 60);
    }

    #[test]
    fn is_never_wider_than_the_picture() {
        let same = thumbnail(&png(&halves(40, 20).into()), 128).unwrap();
        assert_eq!(shown(&same).dimensions(), (40, 20));
    }

    #[test]
    fn keeps_what_is_transparent() {
        let glass = RgbaImage::from_pixel(200, 100, Rgba([10, 200, 10, 0]));
        let small = shown(&thumbnail(&png(&glass.into()), 50).unwrap());
        assert_eq!(small.get_pixel(25, 12)[3], 0);
    }

    #[test]
    fn has_a_height_even_of_a_line() {
        let small = thumbnail(&png(&halves(2_000, 1).into()), 10).unwrap();
        assert_eq!(shown(&small).dimensions(), (10, 1));
    }

    #[test]
    fn stands_upright_when_the_camera_did_not() {
        let lying = turned(&jpeg(&halves(400, 200)), 6);
        let small = shown(&thumbnail(&lying, 50).unwrap());
        assert_eq!(small.dimensions(), (50, 100));
        // Turned clockwise, the left half is above.
        assert!(small.get_pixel(25, 10)[0] > 180);
        assert!(small.get_pixel(25, 90)[2] > 180);
    }

    #[test]
    fn carries_no_metadata() {
        let small = thumbnail(&turned(&jpeg(&halves(400, 200)), 6), 50).unwrap();
        assert!(!small.windows(4).any(|bytes| bytes == b"Exif"));
    }

    #[test]
    fn is_the_same_each_time() {
        let picture = jpeg(&halves(333, 222));
        assert_eq!(thumbnail(&picture, 77), thumbnail(&picture, 77));
    }
}

mod bad_input {
    use super::*;

    #[test]
    fn that_is_no_picture_is_refused() {
        assert_eq!(thumbnail(b"", 10), Err(Refusal::Kind));
        assert_eq!(thumbnail(b"dear diary", 10), Err(Refusal::Kind));
        assert_eq!(thumbnail(b"GIF89a\0\0\0\0\0\0", 10), Err(Refusal::Kind));
    }

    #[test]
    fn that_ends_early_is_refused_or_shown_as_far_as_it_goes() {
        for whole in [jpeg(&halves(64, 64)), png(&DynamicImage::from(halves(64, 64)))] {
            for end in 0..whole.len() {
                if let Ok(small) = thumbnail(&whole[..end], 16) {
                    assert_eq!(shown(&small).width(), 16);
                }
            }
            assert!(thumbnail(&whole[..whole.len() / 4], 16).is_err());
        }
    }

    #[test]
    fn that_claims_to_be_huge_is_refused_before_memory_is_taken() {
        let mut huge = png(&halves(4, 4).into());
        // The header's width and height; its checksum follows them.
        huge[16..24].copy_from_slice(&[0, 0, 0x3f, 0xff, 0, 0, 0x3f, 0xff]);
        let checksum = crc32(&huge[12..29]);
        huge[29..33].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(thumbnail(&huge, 16), Err(Refusal::TooLarge));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
            })
        })
    }
}
