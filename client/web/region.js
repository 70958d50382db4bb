// Parts of the complex plane.

// What the service takes where no region is given: re_min, im_min, re_span, im_span.
export const WHOLE = [-2.5, -1, 3.5, 2];

// params as the form has them, or as the service used them.
export const regionOf = (params) => params.region ? String(params.region).split(',').map(Number) : WHOLE;

export function regionInWords(params) {
    const region = regionOf(params);
    return region.join() === WHOLE.join() ? 'the whole set' : `region ${region.join(', ')}`;
}

// Whether neighbouring pixels have the same double for where they are.
export function isTooFine({width, height, ...params}) {
    const [re, im, reSpan, imSpan] = regionOf(params);
    const least = (from, span) => Math.max(Math.abs(from), Math.abs(from + span)) * Number.EPSILON / 2;
    return reSpan / width < least(re, reSpan) || imSpan / height < least(im, imSpan);
}

// A part of the region, from (x, y), all from 0 to 1; as the service's parameter.
export function partOf(region, {x, y, width, height}) {
    const [re, im, reSpan, imSpan] = region;
    return [re + x * reSpan, im + y * imSpan, width * reSpan, height * imSpan]
        .map((value) => Number(value.toPrecision(15))).join(',');
}
