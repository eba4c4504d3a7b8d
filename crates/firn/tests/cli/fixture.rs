//! Small files that several tests work with.

use crate::run::Place;

/// A NetCDF classic file (CDF-1): `sst(time: 1, lat: 2)` at this day, in this unit.
pub fn netcdf(day: i32, units: &str) -> Vec<u8> {
    let name = |text: &str| {
        let mut bytes = (text.len() as u32).to_be_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let numbers = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
    let text_attribute = |key: &str, value: &str| [numbers(&[12, 1]), name(key), numbers(&[2]), name(value)].concat();
    let dims = [numbers(&[10, 2]), name("time"), numbers(&[1]), name("lat"), numbers(&[2])].concat();
    let variables = |begin: u32| {
        let time =
            [name("time"), numbers(&[1, 0]), text_attribute("units", "days since 2020-01-01"), numbers(&[4, 4, begin])];
        let sst = [name("sst"), numbers(&[2, 0, 1]), text_attribute("units", units), numbers(&[5, 8, begin + 4])];
        [numbers(&[11, 2]), time.concat(), sst.concat()].concat()
    };
    let head = [b"CDF\x01".to_vec(), numbers(&[0]), dims, numbers(&[0, 0])].concat();
    let begin = (head.len() + variables(0).len()) as u32;
    let data = [day.to_be_bytes(), (day as f32).to_be_bytes(), 1f32.to_be_bytes()].concat();
    [head, variables(begin), data].concat()
}

/// Days of January 2020, a file each, and a readme beside them.
pub fn january(days: &[i32]) -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path().join("d")).unwrap();
    for day in days {
        std::fs::write(place.path().join(format!("d/sst_202001{day:02}.nc")), netcdf(*day, "K")).unwrap();
    }
    place.write("d/README", "x");
    place
}
