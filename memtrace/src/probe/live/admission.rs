//! Tells the kernel side whom it lets in by itself.

use super::error::LiveError;
use super::kernel_side::{KernelSide, map_error, missing};
use crate::selection::AdmissionRules;
use aya::Pod;
use aya::maps::{Array, HashMap, MapData};
use memtrace_common::admission::{Admission, Criterion};

/// As the map holds it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct PlainAdmission(Admission);

// SAFETY: plain integers without padding.
unsafe impl Pod for PlainAdmission {}

/// As the map holds it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct PlainCriterion(Criterion);

// SAFETY: plain integers without padding.
unsafe impl Pod for PlainCriterion {}

impl KernelSide {
    /// Lets the kernel side decide by these rules. To be said before it watches.
    ///
    /// # Errors
    /// When a map cannot be written.
    pub fn admit_by(&mut self, rules: &AdmissionRules) -> Result<(), LiveError> {
        let map = self.loaded().map_mut("CRITERIA").ok_or_else(|| missing("CRITERIA"))?;
        let mut criteria: HashMap<&mut MapData, PlainCriterion, u64> =
            HashMap::try_from(map).map_err(map_error("CRITERIA"))?;
        for (criterion, worth) in &rules.criteria {
            let inserted = criteria.insert(PlainCriterion(*criterion), worth, 0);
            inserted.map_err(map_error("CRITERIA"))?;
        }
        let map = self.loaded().map_mut("ADMISSION").ok_or_else(|| missing("ADMISSION"))?;
        let mut admission = Array::try_from(map).map_err(map_error("ADMISSION"))?;
        let value = PlainAdmission(*rules.admission);
        admission.set(0, value, 0).map_err(map_error("ADMISSION"))
    }
}
