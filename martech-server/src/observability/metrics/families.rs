//! Metric families built from snapshots.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// The metric families of one response.
#[derive(Debug, Default)]
pub(crate) struct Families(Vec<MetricFamily>);

/// Label values, in the order of the label names, and the value of the sample.
pub(crate) type Sample<'a, const N: usize> = ([&'a str; N], f64);

impl Families {
    /// Adds a gauge, whose value may go up and down.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.add(MetricType::GAUGE, name, help, [], [([], value)]);
    }

    /// Adds a counter, whose value only grows.
    pub(crate) fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.add(MetricType::COUNTER, name, help, [], [([], value)]);
    }

    /// Adds gauges that differ by their labels.
    pub(crate) fn gauges<'a, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        samples: impl IntoIterator<Item = Sample<'a, N>>,
    ) {
        self.add(MetricType::GAUGE, name, help, labels, samples);
    }

    /// Adds counters that differ by their labels.
    pub(crate) fn counters<'a, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        samples: impl IntoIterator<Item = Sample<'a, N>>,
    ) {
        self.add(MetricType::COUNTER, name, help, labels, samples);
    }

    pub(crate) fn finish(self) -> Vec<MetricFamily> {
        self.0
    }

    fn add<'a, const N: usize>(
        &mut self,
        kind: MetricType,
        name: &str,
        help: &str,
        labels: [&str; N],
        samples: impl IntoIterator<Item = Sample<'a, N>>,
    ) {
        let metric = |(values, figure): Sample<'a, N>| {
            let pairs = labels.into_iter().zip(values).map(|(name, value)| {
                let mut pair = LabelPair::default();
                pair.set_name(name.to_owned());
                pair.set_value(value.to_owned());
                pair
            });
            let mut pairs: Vec<LabelPair> = pairs.collect();
            // Sorted as in the registry.
            pairs.sort_by(|left, right| left.name().cmp(right.name()));
            let mut metric = Metric::from_label(pairs);
            if kind == MetricType::COUNTER {
                let mut counter = Counter::default();
                counter.set_value(figure);
                metric.set_counter(counter);
            } else {
                let mut gauge = Gauge::default();
                gauge.set_value(figure);
                metric.set_gauge(gauge);
            }
            metric
        };
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(samples.into_iter().map(metric).collect());
        self.0.push(family);
    }
}
