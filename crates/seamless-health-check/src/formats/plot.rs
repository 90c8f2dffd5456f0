//! A small plot in one line of text.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One bar per value, from 0 to the largest of the values and `scale`; a blank where there is none.
pub(super) fn sparkline(values: &[f64], scale: f64) -> String {
    let top = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .fold(scale, f64::max);
    values
        .iter()
        .map(|value| {
            if !value.is_finite() || top <= 0.0 {
                return ' ';
            }
            let step = (value.max(0.0) / top * (BARS.len() - 1) as f64).round() as usize;
            BARS.get(step).copied().unwrap_or(' ')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_with_the_values_and_gaps_stay_blank() {
        assert_eq!(sparkline(&[0.0, 5.0, f64::NAN, 10.0], 10.0), "▁▅ █");
        assert_eq!(sparkline(&[1.0, 1.0], 10.0), "▂▂");
        assert_eq!(sparkline(&[], 10.0), "");
        assert_eq!(sparkline(&[20.0], 10.0), "█");
    }
}
