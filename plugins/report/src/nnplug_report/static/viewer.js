// The slice viewer: one canvas of NiiVue, a list of cases, and controls that work with mouse, touch and keyboard.
"use strict";
(function () {
  const root = document.getElementById("viewer");
  if (!root) return;
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const find = (name) => root.querySelector(`[data-part="${name}"]`);
  const canvas = find("canvas"), status = find("status"), slider = find("slice");
  const caseList = find("case"), channelList = find("channel"), layerList = find("layer"), planeList = find("plane");
  const axisOfPlane = { axial: 2, coronal: 1, sagittal: 0 };
  const nothing = "none";
  let viewer = null, current = 0, loading = 0;

  const shown = () => data.cases[current];

  function options(list, titles) {
    list.replaceChildren(...titles.map(([value, title]) => new Option(title, value)));
    list.closest("label").hidden = titles.length < 2;
  }

  function colormap(entries) {
    const most = Math.max(0, ...entries.map((one) => one.value));
    const table = { R: [], G: [], B: [], A: [], I: [], labels: [] };
    for (let value = 0; value <= most; value++) {
      const entry = entries.find((one) => one.value === value);
      const colour = entry ? entry.colour : "#808080";
      table.R.push(parseInt(colour.slice(1, 3), 16));
      table.G.push(parseInt(colour.slice(3, 5), 16));
      table.B.push(parseInt(colour.slice(5, 7), 16));
      table.A.push(value ? 255 : 0);
      table.I.push(value);
      table.labels.push(entry ? entry.name : "");
    }
    return table;
  }

  const payload = (id) => document.getElementById(id).textContent.trim();

  async function volume(one, layer) {
    const name = `${one.id}.nii.gz`;
    if (!layer) {
      return niivue.NVImage.loadFromBase64({ base64: payload(one.id), name, cal_min: one.low, cal_max: one.high });
    }
    const image = await niivue.NVImage.loadFromBase64({ base64: payload(one.id), name, opacity: opacity() });
    image.setColormapLabel(colormap(one.title === "differences" ? data.differences : data.labels));
    return image;
  }

  const opacity = () => Number(find("opacity").value) / 100;
  const axis = () => (shown().flat ? 2 : axisOfPlane[planeList.value] ?? 2);

  async function load() {
    const mine = ++loading;
    delete root.dataset.ready;
    const one = shown();
    const channel = one.channels[Number(channelList.value) || 0];
    const layer = one.layers.find((other) => other.title === layerList.value);
    const images = [await volume(channel, false)];
    if (layer) images.push(await volume(layer, true));
    if (mine !== loading) return;
    const kept = viewer.volumes.length && load.case === current ? [...viewer.scene.crosshairPos] : null;
    while (viewer.volumes.length) viewer.removeVolume(viewer.volumes[viewer.volumes.length - 1]);
    for (const image of images) viewer.addVolume(image);
    load.case = current;
    plane();
    viewer.scene.crosshairPos = kept || start(images[images.length - 1], Boolean(layer));
    viewer.drawScene();
    legend(layer);
    tell();
    root.dataset.ready = "true";
  }

  // The voxel in the middle of the labelled voxels of the slice with most of them, as a fraction of each axis.
  function start(image, labelled) {
    const [, nx, ny, nz] = image.dimsRAS || [3, 1, 1, 1];
    if (!labelled) return [0.5, 0.5, 0.5];
    const counts = new Array(nz).fill(0), sums = Array.from({ length: nz }, () => [0, 0]);
    for (let z = 0; z < nz; z++)
      for (let y = 0; y < ny; y++)
        for (let x = 0; x < nx; x++)
          if (image.getValue(x, y, z) > 0) {
            counts[z]++;
            sums[z][0] += x;
            sums[z][1] += y;
          }
    const z = counts.indexOf(Math.max(...counts));
    if (!counts[z]) return [0.5, 0.5, 0.5];
    const [x, y] = sums[z].map((sum) => sum / counts[z]);
    return [(x + 0.5) / nx, (y + 0.5) / ny, (z + 0.5) / nz];
  }

  function plane() {
    const types = { all: 3, axial: 0, coronal: 1, sagittal: 2, render: 4 };
    viewer.setSliceType(shown().flat ? 0 : types[planeList.value]);
    viewer.opts.crosshairWidth = shown().flat ? 0 : 0.2;
    viewer.opts.isOrientationTextVisible = !shown().flat;
  }

  function place() {
    const count = viewer.volumes[0].dimsRAS[axis() + 1];
    const index = Math.round(viewer.scene.crosshairPos[axis()] * count - 0.5);
    return [Math.min(Math.max(index, 0), count - 1), count];
  }

  function go(index) {
    const [, count] = place();
    const position = [...viewer.scene.crosshairPos];
    position[axis()] = (Math.min(Math.max(index, 0), count - 1) + 0.5) / count;
    viewer.scene.crosshairPos = position;
    viewer.drawScene();
    tell();
  }

  function tell() {
    const [index, count] = place();
    slider.max = count;
    slider.value = index + 1;
    slider.closest("label").hidden = count < 2;
    const one = shown();
    const where = count > 1 ? `slice ${index + 1} of ${count}` : "one slice";
    status.textContent = `${one.name}${one.note ? `, ${one.note}` : ""}: ${where}. ${one.remark}`;
    root.dataset.slice = index + 1;
  }

  function legend(layer) {
    const entries = !layer ? [] : layer.title === "differences" ? data.differences : data.labels;
    find("legend").replaceChildren(
      ...entries.map((entry) => {
        const item = document.createElement("li"), box = document.createElement("span");
        box.className = "swatch";
        box.style.background = entry.colour;
        item.append(box, entry.name);
        return item;
      }),
    );
  }

  function choose(index) {
    current = index;
    caseList.value = index;
    const one = shown(), before = layerList.value;
    options(channelList, one.channels.map((channel, number) => [number, channel.title]));
    options(layerList, [...one.layers.map((layer) => [layer.title, layer.title]), [nothing, "no labels"]]);
    if ([...layerList.options].some((option) => option.value === before)) layerList.value = before;
    planeList.closest("label").hidden = one.flat;
    return load();
  }

  function next(list, step) {
    if (list.closest("label").hidden) return;
    list.selectedIndex = (list.selectedIndex + step + list.options.length) % list.options.length;
    list.dispatchEvent(new Event("change"));
  }

  const keys = {
    ArrowUp: () => go(place()[0] + 1),
    ArrowDown: () => go(place()[0] - 1),
    PageUp: () => go(place()[0] + 10),
    PageDown: () => go(place()[0] - 10),
    Home: () => go(0),
    End: () => go(Infinity),
    ArrowRight: () => next(caseList, 1),
    ArrowLeft: () => next(caseList, -1),
    l: () => next(layerList, 1),
    c: () => next(channelList, 1),
    p: () => next(planeList, 1),
  };

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    if (event.target.matches("select, input") && event.key.length > 1) return; // they have these keys themselves
    event.preventDefault();
    event.stopPropagation(); // NiiVue has other meanings of some keys
    keys[event.key]();
  }

  function fail(error) {
    find("controls").hidden = true;
    canvas.hidden = true;
    status.textContent = `This browser cannot draw the slices (${error.message}). They need WebGL 2; the pictures show one slice each.`;
    root.dataset.ready = "failed";
  }

  async function begin() {
    const drawn = canvas.getContext("webgl2");
    if (!drawn) throw new Error("no WebGL 2");
    viewer = new niivue.Niivue({
      backColor: [0, 0, 0, 1],
      crosshairColor: [0.2, 0.8, 1, 0.7],
      isRadiologicalConvention: true,
      isNearestInterpolation: true,
      show3Dcrosshair: true,
      crosshairWidthUnit: "percent",
      multiplanarLayout: niivue.MULTIPLANAR_TYPE.GRID,
      multiplanarShowRender: niivue.SHOW_RENDER.ALWAYS,
      dragAndDropEnabled: false,
      logLevel: "error",
    });
    viewer.onLocationChange = () => viewer.volumes.length && tell();
    await viewer.attachToCanvas(canvas);
    options(caseList, data.cases.map((one, number) => [number, one.note ? `${one.name} (${one.note})` : one.name]));
    caseList.addEventListener("change", () => choose(Number(caseList.value)).catch(fail));
    channelList.addEventListener("change", () => load().catch(fail));
    layerList.addEventListener("change", () => load().catch(fail));
    planeList.addEventListener("change", () => (plane(), viewer.drawScene(), tell()));
    slider.addEventListener("input", () => go(Number(slider.value) - 1));
    find("opacity").addEventListener("input", () => viewer.volumes[1] && viewer.setOpacity(1, opacity()));
    root.addEventListener("keydown", press, true);
    canvas.addEventListener("pointerdown", () => canvas.focus());
    document.addEventListener("click", (event) => {
      const link = event.target.closest("[data-show]");
      if (link) choose(Number(link.dataset.show)).then(() => canvas.focus(), fail);
    });
    await choose(0);
  }

  begin().catch(fail);
})();
