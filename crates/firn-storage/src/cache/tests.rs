use super::*;
use firn_model::source::MemoryReader;
use proptest::prelude::*;

/// Remembers what was asked of it.
struct Counting {
    inner: MemoryReader,
    asked: Mutex<Vec<ByteRange>>,
}

impl Counting {
    fn new(size: usize) -> Arc<Self> {
        let inner = MemoryReader::new("memory", bytes(size));
        Arc::new(Self { inner, asked: Mutex::default() })
    }

    fn asked(&self) -> Vec<ByteRange> {
        self.asked.lock().unwrap().clone()
    }
}

impl RangeReader for Counting {
    fn size(&self) -> Result<u64, SourceError> {
        self.inner.size()
    }

    fn version(&self) -> Result<SourceVersion, SourceError> {
        self.inner.version()
    }

    fn read_ranges(&self, ranges: &[ByteRange]) -> Result<Vec<Bytes>, SourceError> {
        self.asked.lock().unwrap().extend_from_slice(ranges);
        self.inner.read_ranges(ranges)
    }
}

fn bytes(size: usize) -> Bytes {
    (0..size).map(|i| (i ^ (i >> 8)) as u8).collect::<Vec<_>>().into()
}

fn cached(inner: &Arc<Counting>, head: usize, settings: CacheSettings) -> CachedReader {
    let size = inner.size().unwrap();
    let reader: Arc<dyn RangeReader> = Arc::clone(inner) as _;
    CachedReader::new(reader, At::url("memory"), size, bytes(size as usize).slice(..head), settings)
}

fn small() -> CacheSettings {
    CacheSettings { head: 100, gap: 50, margin: 20, ahead: 0, capacity: 10_000, bypass: 400 }
}

#[test]
fn near_ranges_of_a_batch_become_one_request() {
    let inner = Counting::new(10_000);
    let reader = cached(&inner, 100, small());
    let ranges = [3000..3010, 1000..1100, 1120..1200, 50..60];
    let got = reader.read_ranges(&ranges).unwrap();
    for (range, got) in ranges.iter().zip(got) {
        assert_eq!(got, bytes(10_000).slice(range.start as usize..range.end as usize));
    }
    // The two neighbours are one request, and the far one another; both with their margin; the head is there.
    assert_eq!(inner.asked(), [980..1220, 2980..3030]);
}

#[test]
fn the_first_request_beyond_the_head_looks_ahead_and_no_other_does() {
    let inner = Counting::new(10_000);
    let reader = cached(&inner, 100, CacheSettings { ahead: 1600, ..small() });
    reader.read(3000..3010).unwrap();
    reader.read(4400..4410).unwrap();
    reader.read(7000..7010).unwrap();
    assert_eq!(inner.asked(), [2900..4500, 6980..7030]);
}

#[test]
fn a_reader_without_a_head_does_not_look_ahead() {
    let inner = Counting::new(10_000);
    let reader = cached(&inner, 0, CacheSettings { ahead: 1600, ..small() });
    reader.read(3000..3010).unwrap();
    let asked = inner.asked();
    assert_eq!((asked.len(), &asked[0]), (1, &(2980..3030)));
}

#[test]
fn what_was_fetched_is_not_fetched_again() {
    let inner = Counting::new(10_000);
    let reader = cached(&inner, 100, small());
    reader.read(1000..1100).unwrap();
    reader.read(1010..1050).unwrap();
    reader.read(1050..1150).unwrap();
    assert_eq!(inner.asked(), [980..1120, 1120..1170]);
}

#[test]
fn large_ranges_pass_exactly_and_are_not_kept() {
    let inner = Counting::new(10_000);
    let reader = cached(&inner, 100, small());
    reader.read(1001..1501).unwrap();
    reader.read(1001..1501).unwrap();
    assert_eq!(inner.asked(), [1001..1501, 1001..1501]);
}

#[test]
fn memory_stays_below_the_capacity() {
    let inner = Counting::new(100_000);
    let reader = cached(&inner, 100, CacheSettings { capacity: 1000, ..small() });
    for start in (0..99_000).step_by(500) {
        reader.read(start..start + 100).unwrap();
        let blocks = reader.blocks();
        let held: u64 = blocks.by_start.values().map(|block| block.bytes.len() as u64).sum();
        assert_eq!(blocks.held, held);
        assert!(held <= 1000, "{held}");
    }
}

#[test]
fn ranges_beyond_the_end_are_refused() {
    let reader = cached(&Counting::new(1000), 100, small());
    assert!(matches!(reader.read(990..1001), Err(SourceError::OutOfBounds { size: 1000, .. })));
    assert!(matches!(reader.read(u64::MAX - 1..u64::MAX), Err(SourceError::OutOfBounds { .. })));
    assert_eq!(reader.read(1000..1000).unwrap(), "");
}

proptest! {
    #[test]
    fn a_cache_never_changes_what_is_read(
        batches in prop::collection::vec(prop::collection::vec((0_u64..5000, 0_u64..700), 1..8), 1..12),
        head in 0_usize..300, gap in 0_u64..200, margin in 0_u64..200, ahead in 0_u64..900, capacity in 0_u64..3000,
    ) {
        let inner = Counting::new(5000);
        let settings = CacheSettings { head: 0, gap, margin, ahead, capacity, bypass: 400 };
        let reader = cached(&inner, head, settings);
        for batch in batches {
            let ranges: Vec<ByteRange> = batch.iter().map(|(start, length)| *start..(start + length).min(5000)).collect();
            let got = reader.read_ranges(&ranges).unwrap();
            for (range, got) in ranges.iter().zip(got) {
                prop_assert_eq!(got, bytes(5000).slice(range.start as usize..range.end as usize));
            }
            prop_assert!(inner.asked().iter().all(|range| range.start < range.end && range.end <= 5000));
        }
    }

    #[test]
    fn no_byte_of_metadata_is_fetched_twice_while_memory_lasts(
        starts in prop::collection::vec(0_u64..20_000, 1..40), gap in 0_u64..2000, margin in 0_u64..600, ahead in 0_u64..3000,
    ) {
        let inner = Counting::new(20_100);
        let settings = CacheSettings { head: 0, gap, margin, ahead, capacity: 1 << 20, bypass: 1 << 20 };
        let reader = cached(&inner, 500, settings);
        for start in starts {
            reader.read_ranges(&[start..start + 100, start / 2..start / 2 + 50]).unwrap();
        }
        let mut asked = inner.asked();
        asked.sort_by_key(|range| range.start);
        prop_assert!(asked.windows(2).all(|pair| pair[0].end <= pair[1].start), "{:?}", asked);
        prop_assert!(asked.iter().all(|range| range.start >= 500));
    }
}
