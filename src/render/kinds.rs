//! The kinds of plots other than images: each makes marks for a panel from values and axes.
