//! Serves plots of variables: pictures by URL, and a page around them.
//!
//! # Serves
//! A picture of a variable on its grid, a section, a series or a distribution, as PNG, WebP, SVG, GIF, as JSON that says
//! what is shown, or as a page with controls.
//!
//! # Specification
//! `plots.md` of the contracts; the path form and the meaning of its selection are those of DKRZ's Cloudify.
//!
//! # Routes
//! | Route | Answer |
//! |---|---|
//! | `GET /datasets/{id}/plot` | what can be plotted |
//! | `GET /datasets/{id}/plot/{var}[.png, .webp, .svg, .gif, .json, .html]` | a plot |
//! | `GET /datasets/{id}/plot/{var}/{kind}/{cmap}/{selection…}` | a plot, as Cloudify's clients ask for it |
//! | `GET /datasets/{id}/legend/{var}.png` | the colour bar alone |
//! | `GET /plot/kinds`, `/plot/colormaps`, `/plot/projections` | the words that plots know |

use thermocline_http::ServePlugin;

/// The plugin.
#[derive(Default)]
pub struct PlotPlugin {}

impl ServePlugin for PlotPlugin {
    fn id(&self) -> &'static str {
        "plot"
    }
}
