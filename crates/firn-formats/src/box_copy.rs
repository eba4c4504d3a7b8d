//! Copying boxes of elements between C-order arrays, in the longest contiguous runs.

/// A box of the same shape in two arrays. All extents count elements.
#[derive(Debug, Clone, Copy)]
pub struct BoxCopy<'a> {
    /// Shape of the array that is copied from.
    pub src_shape: &'a [u64],
    /// First index of the box there.
    pub src_start: &'a [u64],
    /// Shape of the array that is copied to.
    pub dst_shape: &'a [u64],
    /// First index of the box there.
    pub dst_start: &'a [u64],
    /// Shape of the box.
    pub shape: &'a [u64],
}

/// Contiguous elements that are copied at once: offsets and length in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Of the first element in the source.
    pub src: usize,
    /// Of the first element in the destination.
    pub dst: usize,
    /// Number of elements.
    pub len: usize,
}

impl BoxCopy<'_> {
    /// Calls `each` for every run, in C order; `None` where the box does not lie within both arrays or an offset
    /// overflows (then nothing was called).
    pub fn runs(&self, mut each: impl FnMut(Run)) -> Option<()> {
        let rank = self.shape.len();
        if [self.src_shape.len(), self.src_start.len(), self.dst_shape.len(), self.dst_start.len()] != [rank; 4] {
            return None;
        }
        for axis in 0..rank {
            let fits = |start: u64, extent: u64| start.checked_add(self.shape[axis]).is_some_and(|end| end <= extent);
            if !fits(self.src_start[axis], self.src_shape[axis]) || !fits(self.dst_start[axis], self.dst_shape[axis]) {
                return None;
            }
        }
        let src = Strided::new(self.src_shape, self.src_start)?;
        let dst = Strided::new(self.dst_shape, self.dst_start)?;
        if self.shape.contains(&0) {
            return Some(());
        }
        // Dimensions that both arrays hold whole are contiguous in both and join the one before them.
        let mut inner = rank;
        let mut len = 1usize;
        while inner > 0 {
            inner -= 1;
            len = len.checked_mul(usize::try_from(self.shape[inner]).ok()?)?;
            if self.shape[inner] != self.src_shape[inner] || self.shape[inner] != self.dst_shape[inner] {
                break;
            }
        }
        let outer: Vec<usize> = self.shape[..inner].iter().map(|n| *n as usize).collect();
        let mut index = vec![0usize; inner];
        let mut run = Run { src: src.first, dst: dst.first, len };
        loop {
            each(run);
            let mut axis = inner;
            loop {
                if axis == 0 {
                    return Some(());
                }
                axis -= 1;
                index[axis] += 1;
                run.src += src.strides[axis];
                run.dst += dst.strides[axis];
                if index[axis] < outer[axis] {
                    break;
                }
                run.src -= src.strides[axis] * outer[axis];
                run.dst -= dst.strides[axis] * outer[axis];
                index[axis] = 0;
            }
        }
    }

    /// Copies bytes of elements of this size. `None` where a box or a buffer does not fit; the destination may then be
    /// partly written.
    pub fn copy_bytes(&self, src: &[u8], dst: &mut [u8], element_size: usize) -> Option<()> {
        let mut complete = true;
        self.runs(|run| {
            let from = src.get(run.src * element_size..(run.src + run.len) * element_size);
            let to = dst.get_mut(run.dst * element_size..(run.dst + run.len) * element_size);
            match (from, to) {
                (Some(from), Some(to)) => to.copy_from_slice(from),
                _ => complete = false,
            }
        })?;
        complete.then_some(())
    }

    /// Moves elements, which are left empty in the source. `None` as for [`BoxCopy::copy_bytes`].
    pub fn take<T: Default>(&self, src: &mut [T], dst: &mut [T]) -> Option<()> {
        let mut complete = true;
        self.runs(|run| {
            let from = src.get_mut(run.src..run.src + run.len);
            let to = dst.get_mut(run.dst..run.dst + run.len);
            match (from, to) {
                (Some(from), Some(to)) => to.iter_mut().zip(from).for_each(|(to, from)| *to = std::mem::take(from)),
                _ => complete = false,
            }
        })?;
        complete.then_some(())
    }
}

/// Fills a box of an array with one element. `None` where the box or the buffer does not fit.
pub fn fill_bytes(dst: &mut [u8], dst_shape: &[u64], start: &[u64], shape: &[u64], element: &[u8]) -> Option<()> {
    let copy = BoxCopy { src_shape: dst_shape, src_start: start, dst_shape, dst_start: start, shape };
    let size = element.len();
    let mut complete = true;
    copy.runs(|run| match dst.get_mut(run.dst * size..(run.dst + run.len) * size) {
        Some(to) => fill(to, element),
        None => complete = false,
    })?;
    complete.then_some(())
}

/// Repeats one element over a buffer.
pub fn fill(to: &mut [u8], element: &[u8]) {
    if let Some(first) = element.first()
        && element.iter().all(|byte| byte == first)
    {
        to.fill(*first);
    } else if !element.is_empty() {
        // Copies of few bytes are slow; so what is filled is copied on, as far as the cache holds it.
        const AT_ONCE: usize = 16 << 10;
        let len = to.len() / element.len() * element.len();
        let mut done = element.len().min(len);
        to[..done].copy_from_slice(&element[..done]);
        while done < len {
            let next = done.min(AT_ONCE / element.len() * element.len()).max(element.len()).min(len - done);
            let (filled, rest) = to.split_at_mut(done);
            rest[..next].copy_from_slice(&filled[..next]);
            done += next;
        }
    }
}

/// Offset of the first element and elements between two neighbours along each dimension.
struct Strided {
    first: usize,
    strides: Vec<usize>,
}

impl Strided {
    /// `None` where the array has more elements than can be addressed.
    fn new(shape: &[u64], start: &[u64]) -> Option<Self> {
        let mut strides = vec![1usize; shape.len()];
        let mut total = 1usize;
        for axis in (0..shape.len()).rev() {
            strides[axis] = total;
            total = total.checked_mul(usize::try_from(shape[axis].max(1)).ok()?)?;
        }
        total.checked_mul(16)?;
        let first = start.iter().zip(&strides).map(|(s, stride)| *s as usize * stride).sum();
        Some(Self { first, strides })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A box in two arrays: for each dimension its extent and the margins before and after it in both.
    fn boxes() -> impl Strategy<Value = Vec<(u64, u64, u64, u64, u64)>> {
        prop::collection::vec((0u64..4, 0u64..3, 0u64..3, 0u64..3, 0u64..3), 0..5)
    }

    fn naive(src: &[u8], dst: &mut [u8], copy: BoxCopy, element_size: usize) {
        let linear = |index: &[u64], start: &[u64], shape: &[u64]| {
            index.iter().zip(start).zip(shape).fold(0u64, |n, ((i, s), extent)| n * extent + i + s) as usize
        };
        for index in firn_model::array::chunk_grid::indices_of(copy.shape) {
            let from = linear(&index.0, copy.src_start, copy.src_shape) * element_size;
            let to = linear(&index.0, copy.dst_start, copy.dst_shape) * element_size;
            dst[to..to + element_size].copy_from_slice(&src[from..from + element_size]);
        }
    }

    proptest! {
        #[test]
        fn a_box_is_copied_as_element_by_element(dims in boxes(), element_size in 1usize..5) {
            let shape: Vec<u64> = dims.iter().map(|d| d.0).collect();
            let (src_start, dst_start): (Vec<u64>, Vec<u64>) = dims.iter().map(|d| (d.1, d.3)).unzip();
            let src_shape: Vec<u64> = dims.iter().map(|d| d.0 + d.1 + d.2).collect();
            let dst_shape: Vec<u64> = dims.iter().map(|d| d.0 + d.3 + d.4).collect();
            let copy = BoxCopy {
                src_shape: &src_shape, src_start: &src_start, dst_shape: &dst_shape, dst_start: &dst_start, shape: &shape,
            };
            let src: Vec<u8> =
                (0..src_shape.iter().product::<u64>() as usize * element_size).map(|i| (i % 251) as u8 + 1).collect();
            let mut fast = vec![0u8; dst_shape.iter().product::<u64>() as usize * element_size];
            let mut slow = fast.clone();
            copy.copy_bytes(&src, &mut fast, element_size).unwrap();
            naive(&src, &mut slow, copy, element_size);
            prop_assert_eq!(fast, slow);
        }
    }

    #[test]
    fn whole_dimensions_are_one_run() {
        let copy = BoxCopy {
            src_shape: &[4, 3, 5],
            src_start: &[1, 0, 0],
            dst_shape: &[2, 3, 5],
            dst_start: &[0, 0, 0],
            shape: &[2, 3, 5],
        };
        let mut runs = Vec::new();
        copy.runs(|run| runs.push(run)).unwrap();
        assert_eq!(runs, [Run { src: 15, dst: 0, len: 30 }]);
    }

    #[test]
    fn an_element_is_repeated_as_often_as_it_fits_whole() {
        for element in
            [&[1u8, 2][..], &[1, 2, 3], &[7, 7], &[9], &[1, 2, 3, 4, 5, 6, 7, 8], &[[3; 6_000], [4; 6_000]].concat()]
        {
            for len in [0, 1, 2, 5, 40_000, 100_001] {
                let mut to = vec![0u8; len];
                fill(&mut to, element);
                let is_one_byte = element.iter().all(|byte| *byte == element[0]);
                let whole = if is_one_byte { len } else { len / element.len() * element.len() };
                let expected: Vec<u8> =
                    (0..len).map(|i| if i < whole { element[i % element.len()] } else { 0 }).collect();
                assert_eq!(to, expected, "{len} bytes of an element of {}", element.len());
            }
        }
    }

    #[test]
    fn a_box_outside_of_its_array_is_refused() {
        let copy = BoxCopy { src_shape: &[4], src_start: &[3], dst_shape: &[4], dst_start: &[0], shape: &[2] };
        assert_eq!(copy.copy_bytes(&[0; 4], &mut [0; 4], 1), None);
        let short = BoxCopy { src_start: &[0], ..copy };
        assert_eq!(short.copy_bytes(&[0; 1], &mut [0; 4], 1), None);
    }
}
