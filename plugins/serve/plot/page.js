'use strict';
(() => {
  const known = JSON.parse(document.getElementById('plot').textContent);
  const form = document.getElementById('controls');
  const picture = document.getElementById('picture');
  const status = document.getElementById('status');
  const bar = document.getElementById('bar');
  const value = document.getElementById('value');
  const along = document.getElementById('along');
  const sliders = [...form.querySelectorAll('input[type=range]')];
  const chosen = ['kind', 'cmap', 'vmin', 'vmax', 'norm', 'proj'];
  let request = null, events = null, timer = 0, shown = '', playing = null, facts = null;
  // Of data on a cold store each picture is a recall: then only what the reader stops at is asked for.
  let isCold = false, watched = '';

  // Labels of long dimensions, which the page has not all, as the server told them.
  const longLabels = new Map();

  const say = (text, isBad = false) => {
    status.textContent = text;
    status.classList.toggle('bad', isBad);
  };

  // A time in seconds since 1970 as the server writes it.
  const dateOf = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19).replace('T00:00:00', '');

  const labelOf = (slider) => {
    const labels = known.labels[slider.dataset.dim];
    const place = (slider.value - slider.min) / slider.step;
    if (labels && labels.step) return dateOf(labels.first + labels.step * slider.value);
    const told = labels ? labels[place] : longLabels.get(`${slider.dataset.dim} ${slider.value}`);
    return told === undefined ? `${slider.value} of ${slider.min}–${slider.max}` : told;
  };

  const relabel = () => {
    for (const slider of sliders) {
      const label = labelOf(slider);
      document.getElementById(slider.dataset.output).textContent = label;
      slider.setAttribute('aria-valuetext', label);
    }
  };

  // Asks for labels that the page does not have: its own address says them without reading data.
  const askLabels = async (words) => {
    const unknown = sliders.filter((slider) => !known.labels[slider.dataset.dim]
      && !longLabels.has(`${slider.dataset.dim} ${slider.value}`));
    if (!unknown.length) return;
    const places = unknown.map((slider) => [slider.dataset.output, `${slider.dataset.dim} ${slider.value}`]);
    try {
      const answer = await fetch(`${known.plot}.html?${words}`);
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      for (const [output, key] of places) {
        const label = page.getElementById(output);
        if (label) longLabels.set(key, label.textContent);
      }
      relabel();
    } catch {
      // The positions stay.
    }
  };

  const query = () => {
    const words = new URLSearchParams(known.rest);
    for (const name of chosen) {
      const text = form.elements[name].value.trim();
      if (text) words.append(name, text);
    }
    for (const slider of sliders) words.append('isel', `${slider.dataset.dim}=${slider.value}`);
    return words;
  };

  const problem = async (answer) => {
    try {
      const body = await answer.json();
      const allowed = body.allowed && body.allowed.length ? ` Allowed: ${body.allowed.slice(0, 12).join(', ')}` : '';
      return (body.detail || body.title || `status ${answer.status}`) + allowed;
    } catch {
      return `status ${answer.status}`;
    }
  };

  const ended = () => {
    if (events) events.close();
    events = null;
    watched = '';
    bar.hidden = true;
  };

  // The addresses in documents are absolute, and the page may have been reached by another name.
  const here = (href) => {
    const url = new URL(href, location.href);
    return url.pathname + url.search;
  };

  // Shows how far a job is, and goes on with `then` when its result is there.
  const watch = (job, then = draw) => {
    ended();
    isCold = true;
    const link = (rel) => (job.links || []).find((link) => link.rel === rel);
    const [own, stream] = [link('self'), link('events')];
    const tell = (job) => {
      const estimate = job.estimate_seconds ? `, about ${job.estimate_seconds} s` : '';
      say(`The data are on a cold store and are being brought online: ${job.state}${estimate}. ${job.reason || ''}`);
      bar.hidden = false;
      if (job.progress && job.progress.total) {
        bar.max = job.progress.total;
        bar.value = job.progress.done;
      } else {
        bar.removeAttribute('value');
      }
      if (job.state === 'succeeded') {
        ended();
        then();
      } else if (job.state === 'failed' || job.state === 'cancelled') {
        ended();
        say(job.error ? job.error.detail : `The plot was ${job.state}.`, true);
      }
    };
    watched = job.id;
    tell(job);
    if (watched !== job.id || !stream) return;
    // Where a stream is refused, or ends for good, the job is asked for from time to time.
    const poll = async () => {
      if (watched !== job.id) return;
      try {
        const answer = await fetch(here(own.href));
        if (answer.ok && watched === job.id) tell(await answer.json());
      } catch {
        // The server may come back.
      }
      if (watched === job.id) setTimeout(poll, 10000);
    };
    events = new EventSource(here(stream.href));
    events.addEventListener('job', (event) => tell(JSON.parse(event.data)));
    events.addEventListener('error', (event) => {
      if (own && event.target.readyState === EventSource.CLOSED) poll();
    });
  };

  const replaceLinks = (words) => {
    for (const link of document.querySelectorAll('a[data-form]')) {
      link.href = `${known.plot}.${link.dataset.form}?${words}`;
    }
    const own = new URLSearchParams(words);
    own.delete('width');
    history.replaceState(null, '', `${known.plot}.html?${own}`);
  };

  const show = (blob) => new Promise((resolve) => {
    const old = picture.src;
    const url = URL.createObjectURL(blob);
    picture.onload = () => {
      if (old.startsWith('blob:')) URL.revokeObjectURL(old);
      resolve();
    };
    picture.onerror = null;
    picture.src = url;
  });

  const draw = async () => {
    const words = query();
    if (request) request.abort();
    ended();
    const own = request = new AbortController();
    picture.classList.add('waits');
    const late = setTimeout(() => say('Drawing…'), 300);
    try {
      const answer = await fetch(`${known.plot}.png?${words}`, { signal: own.signal });
      if (answer.status === 202) {
        askLabels(words);
        watch(await answer.json());
        return false;
      }
      if (!answer.ok) {
        say(await problem(answer), true);
        return false;
      }
      await show(await answer.blob());
      replaceLinks(words);
      askLabels(words);
      picture.alt = [known.title, ...sliders.map((slider) => `${slider.dataset.dim} ${labelOf(slider)}`)].join(', ');
      facts = null;
      shown = words.toString();
      say('');
      return true;
    } catch (error) {
      if (error.name !== 'AbortError') say('The server cannot be reached.', true);
      return false;
    } finally {
      clearTimeout(late);
      if (request === own) {
        request = null;
        picture.classList.remove('waits');
      }
    }
  };

  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(draw, isCold ? 500 : 120);
  };

  const stop = () => {
    if (playing) playing.textContent = '▶';
    playing = null;
  };

  const play = async (button) => {
    const slider = document.getElementById(button.dataset.slider);
    while (playing === button) {
      const next = Number(slider.value) + Number(slider.step);
      slider.value = next > Number(slider.max) ? slider.min : next;
      relabel();
      const [isDrawn] = await Promise.all([draw(), new Promise((done) => setTimeout(done, 125))]);
      if (!isDrawn) break;
    }
    if (playing === button) stop();
  };

  for (const button of form.querySelectorAll('button[data-slider]')) {
    button.hidden = false;
    button.addEventListener('click', () => {
      const isOther = playing !== button;
      stop();
      if (isOther) {
        playing = button;
        button.textContent = '❚❚';
        play(button);
      }
    });
  }

  // What the picture shows where: places are told for maps whose columns have one longitude and rows one latitude.
  const placeAt = (event) => {
    const { panel, extent, projection } = facts;
    if (!panel || !extent || !['platecarree', 'mercator'].includes(projection)) return null;
    const box = picture.getBoundingClientRect();
    const x = (event.clientX - box.left) * picture.naturalWidth / box.width;
    const y = (event.clientY - box.top) * picture.naturalHeight / box.height;
    const u = (x - panel[0]) / panel[2], v = (y - panel[1]) / panel[3];
    if (u < 0 || u > 1 || v < 0 || v > 1) return null;
    const [west, east, south, north] = extent;
    const longitude = west + u * (east - west);
    if (projection === 'platecarree') return [longitude, north - v * (north - south)];
    const psi = (latitude) => Math.log(Math.tan(Math.PI / 4 + Math.max(-85.06, Math.min(85.06, latitude)) * Math.PI / 360));
    const at = psi(north) - v * (psi(north) - psi(south));
    return [longitude, (Math.atan(Math.exp(at)) * 360 / Math.PI) - 90];
  };

  const chart = (values) => {
    const good = values.filter((number) => Number.isFinite(number));
    if (good.length < 2) return null;
    const [low, high] = [Math.min(...good), Math.max(...good)];
    const svg = document.querySelector('#value-frame').cloneNode();
    const name = svg.namespaceURI;
    svg.removeAttribute('id');
    svg.removeAttribute('hidden');
    svg.setAttribute('viewBox', '0 0 1000 100');
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', `Series from ${low} to ${high}`);
    const place = (number, at) => `${at * 1000 / (values.length - 1)},${95 - 90 * (number - low) / (high - low || 1)}`;
    let part = [];
    const flush = () => {
      if (part.length) {
        const line = document.createElementNS(name, 'polyline');
        line.setAttribute('points', part.join(' '));
        svg.append(line);
      }
      part = [];
    };
    values.forEach((number, at) => Number.isFinite(number) ? part.push(place(number, at)) : flush());
    flush();
    return svg;
  };

  const degrees = (number, positive, negative) => {
    const turned = positive === 'E' && number > 180 ? number - 360 : number;
    return `${Math.abs(turned).toFixed(2)}° ${turned < 0 ? negative : positive}`;
  };

  // The series at a place reads every step: only on demand.
  let seriesPlace = null;
  const offerSeries = (place) => {
    seriesPlace = place;
    along.hidden = !place || !known.series;
    along.textContent = `Along ${known.series}`;
  };
  along.addEventListener('click', () => tellPlace(seriesPlace, true));

  const tellValue = async (event) => {
    try {
      if (!facts) {
        const answer = await fetch(`${known.plot}.json?${query()}`);
        if (answer.status === 202) return watch(await answer.json());
        if (!answer.ok) return;
        facts = await answer.json();
      }
      const place = placeAt(event);
      if (place) await tellPlace(place, false);
    } catch {
      value.textContent = 'The server cannot be reached.';
    }
  };

  const tellPlace = async (place, hasSeries) => {
    try {
      const words = query(), units = (facts && facts.units) || known.units;
      words.append('at', place.map((number) => number.toFixed(4)).join(','));
      if (hasSeries) words.append('series', known.series);
      value.textContent = 'Reading…';
      const answer = await fetch(`${known.plot}.json?${words}`);
      if (answer.status === 202) {
        value.textContent = '';
        watch(await answer.json(), () => {
          say('');
          tellPlace(place, hasSeries);
        });
        return;
      }
      if (!answer.ok) {
        value.textContent = await problem(answer);
        return;
      }
      const at = (await answer.json()).at || {};
      const isMissing = at.value === null || at.value === undefined;
      // Nine digits tell every value of float32 from its neighbours, without the tail of a product of decimals.
      const number = isMissing ? 'no value' : `${Number(at.value.toPrecision(9))} ${units}`;
      value.textContent = `${degrees(place[0], 'E', 'W')}, ${degrees(place[1], 'N', 'S')}: ${number}`;
      const series = at.series && at.series.values ? chart(at.series.values) : null;
      if (series) value.append(series);
      offerSeries(hasSeries ? null : place);
    } catch {
      value.textContent = 'The server cannot be reached.';
    }
  };

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    stop();
    draw();
  });
  form.addEventListener('input', (event) => {
    relabel();
    if (!isCold && (event.target.type === 'range' || event.target.tagName === 'SELECT')) soon();
  });
  form.addEventListener('change', soon);
  picture.addEventListener('click', tellValue);
  picture.addEventListener('error', () => { if (!shown) draw(); }, { once: true });
  if (picture.complete && picture.naturalWidth === 0) draw();
  relabel();
})();
