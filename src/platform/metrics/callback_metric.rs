//! A metric whose value is read by a callback at each scrape.

use std::collections::HashMap;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, Metric, MetricFamily, MetricType};

type ReadValue = Box<dyn Fn() -> f64 + Send + Sync>;

pub(super) struct CallbackMetric {
    desc: Desc,
    read_value: ReadValue,
}

impl CallbackMetric {
    pub(super) fn new(
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        read_value: ReadValue,
    ) -> prometheus::Result<Self> {
        let labels = labels
            .iter()
            .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
        let labels: HashMap<_, _> = labels.collect();
        let desc = Desc::new(name.to_owned(), help.to_owned(), Vec::new(), labels)?;
        Ok(Self { desc, read_value })
    }

    fn is_counter(&self) -> bool {
        self.desc.fq_name.ends_with("_total")
    }
}

impl Collector for CallbackMetric {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let value = (self.read_value)();
        let mut family = MetricFamily::default();
        let mut metric = Metric::default();
        metric.set_label(self.desc.const_label_pairs.clone());
        if self.is_counter() {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
            family.set_field_type(MetricType::COUNTER);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
            family.set_field_type(MetricType::GAUGE);
        }
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        family.set_metric(vec![metric]);
        vec![family]
    }
}
