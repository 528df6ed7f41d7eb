"use strict";
// A network is a chain of layers. Each layer keeps what it gave, so that after one forward pass there may be several
// backward ones, and hands out buffers of its own: copy what is to be kept. An image is c * h * w numbers in a row.

function fromBase64(text) {
  const characters = atob(text), bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

function fromHalf(bytes) {  // numbers of 16 bits: a sign, 5 bits of exponent, 10 of fraction
  const halves = new Uint16Array(bytes.buffer), floats = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    const h = halves[i], exponent = h >> 10 & 31, fraction = (h & 1023) / 1024;
    const size = exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14;
    floats[i] = h >> 15 ? -size : size;
  }
  return floats;
}

const area = ([c, h, w]) => c * h * w;

// A big image is seen through patches, one for each pixel of a small one. gather: each channel of the small image is a
// weighted sum over the patch (a convolution; of a single patch that is all, a dense layer). scatter, its transpose:
// each pixel of the small image adds its weights to the patch. Each is the other's gradient.
function patches(small, {big, size, stride, pad}, take) {
  const [channels, height, width] = big, [rows, down, across] = small, weight = take(rows * channels * size ** 2);
  const h = height + 2 * pad, w = width + 2 * pad, count = down * across, length = channels * size * size;
  const offsets = new Int32Array(length), starts = new Int32Array(count), inside = new Int32Array(area(big));
  const indices = (into, side, across, place) => {  // where in the framed image: each pixel of a patch, of the big image
    for (let i = 0; i < into.length; i++)
      into[i] = (Math.floor(i / side / across) * h + Math.floor(i / across) % side + place) * w + i % across + place;
  };
  indices(offsets, size, size, 0);
  indices(inside, height, width, pad);
  for (let p = 0; p < count; p++) starts[p] = (Math.floor(p / across) * w + p % across) * stride;
  const framed = new Float32Array(channels * h * w), inner = pad ? new Float32Array(area(big)) : framed;
  const patch = new Float64Array(length), result = new Float32Array(area(small));

  function gather(image, bias) {
    if (pad) {
      framed.fill(0);  // the margin may hold what a scatter has left there
      for (let i = 0; i < inside.length; i++) framed[inside[i]] = image[i];
    }
    const from = pad ? framed : image;
    for (let p = 0; p < count; p++) {
      const start = starts[p];
      for (let k = 0; k < length; k++) patch[k] = from[start + offsets[k]];
      let row = 0;
      for (; row + 3 < rows; row += 4) {  // four at once: each number of the patch is read once for all of them
        const a = row * length, b = a + length, c = b + length, d = c + length;
        let s = 0, t = 0, u = 0, v = 0;
        for (let k = 0; k < length; k++) {
          const number = patch[k];
          s += number * weight[a + k]; t += number * weight[b + k];
          u += number * weight[c + k]; v += number * weight[d + k];
        }
        const at = row * count + p;
        result[at] = s; result[at + count] = t; result[at + 2 * count] = u; result[at + 3 * count] = v;
      }
      for (; row < rows; row++) {
        let sum = 0;
        for (let k = 0, a = row * length; k < length; k++) sum += patch[k] * weight[a + k];
        result[row * count + p] = sum;
      }
    }
    if (bias) for (let row = 0, i = 0; row < rows; row++) for (let p = 0; p < count; p++) result[i++] += bias[row];
    return result;
  }

  function scatter(image, bias) {
    framed.fill(0);
    for (let p = 0; p < count; p++) {
      let touched = false;
      for (let row = 0; row < rows; row += 4) {
        const left = rows - row, at = row * count + p;
        const s = image[at], t = left > 1 ? image[at + count] : 0;
        const u = left > 2 ? image[at + 2 * count] : 0, v = left > 3 ? image[at + 3 * count] : 0;
        if (s === 0 && t === 0 && u === 0 && v === 0) continue;  // behind a pooling, three of four are
        if (!touched) patch.fill(0);
        touched = true;
        const a = row * length, b = t ? a + length : a, c = u ? a + 2 * length : a, d = v ? a + 3 * length : a;
        for (let k = 0; k < length; k++)
          patch[k] += s * weight[a + k] + t * weight[b + k] + u * weight[c + k] + v * weight[d + k];
      }
      if (touched) for (let k = 0, start = starts[p]; k < length; k++) framed[start + offsets[k]] += patch[k];
    }
    if (pad) for (let i = 0; i < inside.length; i++) inner[i] = framed[inside[i]];
    if (bias) for (let c = 0, i = 0; c < channels; c++) for (let n = height * width; n--;) inner[i++] += bias[c];
    return inner;
  }
  return {gather, scatter};
}

// Each kind of layer, from what it is to its forward and backward pass. length: of what comes in.
const KINDS = {
  gather({small, ...layer}, _, take) {
    const {gather, scatter} = patches(small, layer, take), bias = take(small[0]);
    return {length: area(small), forward: x => gather(x, bias), backward: d => scatter(d)};
  },
  scatter({small, ...layer}, _, take) {
    const {gather, scatter} = patches(small, layer, take), bias = take(layer.big[0]);
    return {length: area(layer.big), forward: x => scatter(x, bias), backward: d => gather(d)};
  },
  affine({scale, shift}, length) {
    const each = length / scale.length;
    return pixelwise(length, (x, i) => x * scale[i / each | 0] + shift[i / each | 0], (y, i) => scale[i / each | 0]);
  },
  leaky({slope}, length) {  // of 0 the gradient is that of what is below 0, as in PyTorch
    return pixelwise(length, x => x > 0 ? x : slope * x, y => y > 0 ? 1 : slope);
  },
  tanh: (_, length) => pixelwise(length, Math.tanh, y => 1 - y * y),
  sigmoid: (_, length) => pixelwise(length, x => 1 / (1 + Math.exp(-x)), y => y * (1 - y)),
  pool({big, small}, length) {
    const result = new Float32Array(area(small)), gradient = new Float32Array(length);
    const chosen = new Int32Array(result.length), [, height, width] = big, [channels, down, across] = small;
    return {
      length: result.length,
      forward(image) {
        for (let i = 0, c = 0; c < channels; c++) for (let y = 0; y < down; y++) for (let x = 0; x < across; x++, i++) {
          const corner = (c * height + 2 * y) * width + 2 * x;
          let best = corner;  // of equals the first, as in PyTorch: on a black background whole windows are equal
          if (image[corner + 1] > image[best]) best = corner + 1;
          if (image[corner + width] > image[best]) best = corner + width;
          if (image[corner + width + 1] > image[best]) best = corner + width + 1;
          chosen[i] = best;
          result[i] = image[best];
        }
        return result;
      },
      backward(d) {
        gradient.fill(0);
        for (let i = 0; i < chosen.length; i++) gradient[chosen[i]] = d[i];
        return gradient;
      },
    };
  },
};

function pixelwise(length, value, slope) {  // slope: of what was given, y
  const result = new Float32Array(length), gradient = new Float32Array(length);
  return {
    length,
    forward(x) {
      for (let i = 0; i < length; i++) result[i] = value(x[i], i);
      return result;
    },
    backward(d) {
      for (let i = 0; i < length; i++) gradient[i] = d[i] === 0 ? 0 : d[i] * slope(result[i], i);
      return gradient;
    },
  };
}

// From a chain as the page has it to {inputs, forward, backward}: how many numbers it takes, what it makes of them, and
// the gradient with respect to them, given that of what was made last.
function network({layers, numbers}, inputs) {
  const weights = fromHalf(fromBase64(numbers));
  let used = 0, length = inputs;
  const take = count => weights.subarray(used, used += count);
  const chain = layers.map(layer => {
    const made = KINDS[layer.kind](layer, length, take);
    length = made.length;
    return made;
  });
  return {
    inputs,
    forward: x => chain.reduce((value, layer) => layer.forward(value), x),
    backward: d => chain.reduceRight((value, layer) => layer.backward(value), d),
  };
}

function softmax(logits) {
  const largest = Math.max(...logits), powers = Array.from(logits, logit => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map(power => power / sum);
}

// The gradients, with respect to a classifier's logits, of a logit and of a log-probability.
const ofLogit = (logits, target) => Float32Array.from(logits, (_, k) => +(k === target));
const ofLogProbability = (logits, target) => softmax(logits).map((p, k) => (k === target) - p);
