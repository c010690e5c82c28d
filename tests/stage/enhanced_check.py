# SPDX-License-Identifier: Apache-2.0
#
# Compares what ingest made of enhanced_make.py's cases with their closed form, and with dcm2niix
# where that reads them alike. Use: enhanced_check.py OUT [NII]: OUT/<case> are ingest's folders, NII/<case>
# dcm2niix's. Prints "ok<tab>NAME" or "not ok<tab>NAME<tab>what is wrong" lines.
import glob
import json
import os
import sys

import numpy as np

import enhanced_make as make
from enhanced_make import AXIAL, OBLIQUE, affine, volume

TYPES = {2: 'u1', 4: 'i2', 8: 'i4', 16: 'f4', 64: 'f8', 256: 'i1', 512: 'u2', 768: 'u4'}
OUT = sys.argv[1]
NII = sys.argv[2] if len(sys.argv) > 2 else None


class Wrong(Exception):
    pass


def need(holds, *words):
    if not holds:
        raise Wrong(' '.join(str(w).replace('\n', ' ') for w in words))


def read(path):
    """Real values, affine, type of a plain NIfTI-1 file."""
    raw = open(path, 'rb').read()
    dim = np.frombuffer(raw, '<i2', 8, 40)
    code = np.frombuffer(raw, '<i2', 1, 70)[0]
    offset, slope, inter = np.frombuffer(raw, '<f4', 3, 108)
    size = [int(n) for n in dim[1:dim[0] + 1]]
    v = np.frombuffer(raw, '<' + TYPES[code], int(np.prod(size)), int(offset)).reshape(size, order='F')
    m = np.vstack([np.frombuffer(raw, '<f4', 12, 280).reshape(3, 4), [0, 0, 0, 1]])
    while v.ndim > 3 and v.shape[-1] == 1:
        v = v[..., 0]
    return v.astype(float) * (slope or 1) + inter, m.astype(float), TYPES[code]


def keys(case):
    return sorted(os.path.basename(os.path.dirname(p)) for p in glob.glob(f'{OUT}/{case}/*/image.nii'))


def folder(case, name):
    found = [k for k in keys(case) if k.split('-', 2)[2:] == ([name] if name else [])]
    need(len(found) == 1, f'no volume "{name}" among', keys(case))
    return os.path.join(OUT, case, found[0])


def same(case, name, values, m, kind=None, **side):
    """One volume equals its closed form; the sidecar has these fields."""
    at = folder(case, name)
    v, got, dtype = read(at + '/image.nii')
    need(v.shape == values.shape, 'shape', v.shape, 'wanted', values.shape)
    need(np.allclose(v, values, rtol=1e-6, atol=1e-6), 'voxels differ by', abs(v - values).max())
    need(np.allclose(got, m, atol=1e-5), 'affine', got, 'wanted', m)
    need(kind in (None, dtype), 'type', dtype, 'wanted', kind)
    with open(at + '/image.json') as f:
        have = json.load(f)
    for field, value in side.items():
        if value is None:
            need(field not in have, field, 'is', have.get(field), 'and should not be there')
        elif isinstance(value, float) or (isinstance(value, list) and isinstance(value[0], float)):
            need(field in have and np.shape(have[field]) == np.shape(value) and
                 np.allclose(have[field], value, rtol=1e-6), field, have.get(field), 'wanted', value)
        else:
            need(have.get(field) == value, field, have.get(field), 'wanted', value)
    return have


def records(case):
    with open(f'{OUT}/{case}/ledger.jsonl') as f:
        return [json.loads(line) for line in f]


def rejected(case, sentence):
    got = [r.get('reason', '') for r in records(case)[1:] if r['status'] == 'rejected']
    need(got == [sentence], got, 'wanted', sentence)
    need(not keys(case), 'and yet there is a volume')


def to_world(v, m):
    """Turns a volume's axes so that each world axis runs along the array axis that follows it most."""
    order = [int(np.argmax(abs(m[r, :3] / np.linalg.norm(m[:3, :3], axis=0)))) for r in range(3)]
    m = m[:, order + [3]].copy()
    v = v.transpose(order + list(range(3, v.ndim)))
    for a in range(3):
        if m[a, a] < 0:
            v = np.flip(v, a)
            m[:3, 3] += m[:3, a] * (v.shape[a] - 1)
            m[:3, a] *= -1
    return v, m


def as_dcm2niix(case, name='', other='v'):
    """The same voxels in world space."""
    if not NII or not os.path.exists(f'{NII}/{case}/{other}.nii'):
        return
    a, ma = to_world(*read(folder(case, name) + '/image.nii')[:2])
    b, mb = to_world(*read(f'{NII}/{case}/{other}.nii')[:2])
    need(a.shape == b.shape, 'dcm2niix: shape', b.shape, 'ours', a.shape)
    need(np.allclose(ma, mb, atol=1e-3), 'dcm2niix: affine', mb, 'ours', ma)
    need(np.allclose(a, b, rtol=1e-5, atol=1e-3), 'dcm2niix: voxels differ by', abs(a - b).max())


def enhanced_ct(case, axes=AXIAL):
    same(case, '', 2 * volume(12) - 1024, affine(axes), 'i2', Meaning='HU', Modality='CT', SliceThickness=2.5,
         Verdict='ok', TimePoints=None)
    # dcm2niix takes no RLE: with an offset table it stops, with the extended one it shifts the frames.
    if case == 'ct_implicit':
        as_dcm2niix(case)


def enhanced_slopes(case, axes):
    z = make.ct_slope(np.arange(12))
    have = same(case, '', volume(12) * z - 1024, affine(axes), 'f4', Meaning='HU')
    need(have['Scaling']['kind'] == 'applied_per_slice', have['Scaling'])
    need([s['frame'] for s in have['SliceMap']] == [make.SHUFFLED.index(z) + 1 for z in range(12)],
         'slice map', have['SliceMap'])


def enhanced_signed(case):
    same(case, '', volume(12) - 1024, affine(OBLIQUE), 'i2', Meaning='HU')


def enhanced_number(case):
    have = same(case, '', 2 * volume(12) - 1024, affine(), Meaning='arbitrary')
    need(have['Scaling']['kind'] == 'header', have['Scaling'])


# dcm2niix is no witness for slopes that differ by frame in CT and PET (it takes one for all) nor for the time
# points of enhanced PET (it stacks them).
FACTOR = 70 * 1000 / (3.5e8 * 2 ** (-3600 / 6586.2))


def pet(case, **side):
    z, t = np.mgrid[0:6, 0:2]
    have = same(case, '', volume(6, 2) * make.pet_slope(z, t), affine(), 'f4', TimePoints=2,
                **dict(dict(Meaning='Bq/ml', FrameDuration=[300.0, 360.0], FrameTimesStart=[0.0, 360.0],
                            DecayCorrectionFactor=[1.25, 1.75],
                            RadionuclideHalfLife=6586.2, TracerName='FDG', SUVbwFactor=FACTOR, Units='Bq/mL',
                            ImageDecayCorrected=True, UnitsDICOM='BQML', InjectionStart=-3660.0), **side))
    need([(s['index'], s['time']) for s in have['SliceMap']] ==
         [(z, t) for t in range(2) for z in range(6)], 'slice map', have['SliceMap'])


def average_time(duration):
    l = np.log(2) / 6586.2
    return np.log(l * duration / (1 - np.exp(-l * duration))) / l


def legacy_ct():
    same('legacy_ct', '', volume(5) - 1024, affine(OBLIQUE), 'i2', Meaning='HU', KVP=120.0)
    as_dcm2niix('legacy_ct')


def legacy_mr():
    same('legacy_mr', '', 2.5 * volume(5) + 3, affine(OBLIQUE), Meaning='arbitrary', EchoTime=0.0125,
         RepetitionTime=0.5)
    as_dcm2niix('legacy_mr')


def legacy_pet():
    same('legacy_pet', '', volume(5) * (0.5 + np.arange(5)), affine(OBLIQUE), 'f4', Meaning='Bq/ml', Units='Bq/mL',
         SUVbwFactor=FACTOR, TracerName='FDG', FrameDuration=[300.0], FrameTimesStart=[0.0], DecayCorrection='START',
         CorrectedImage=['ATTN', 'DECY'], RadionuclideHalfLife=6586.2, InjectionStart=-3600.0)


def legacy_echoes():
    for e in (0, 1):
        same('legacy_echoes', f'e{e + 1}', volume(5, 2)[..., e], affine(OBLIQUE), EchoTime=make.ECHOES[e] / 1000,
             RepetitionTime=0.5)


def echoes():
    need(len(keys('mr_echoes')) == 4, keys('mr_echoes'))
    for c, word in enumerate(('mag', 'ph')):
        for e in (0, 1):
            same('mr_echoes', f'{word}_e{e + 1}', volume(5, 4)[..., 2 * c + e], affine(OBLIQUE),
                 EchoTime=make.ECHOES[e] / 1000, TimePoints=None)


def diffusion(case, axes, name='', ordered_by='DimensionIndexValues'):
    same(case, name, volume(5, 4), affine(axes), TimePoints=4, TimePointsOrderedBy=ordered_by)
    at = folder(case, name)
    need(np.allclose(np.loadtxt(at + '/image.bval'), make.B_VALUES), 'bval')
    # FSL: along the array's axes, x turned round where the array is right-handed (determinant above 0).
    m = affine(axes)[:3, :3]
    unit = m / np.linalg.norm(m, axis=0)
    want = unit.T @ (np.array([-1, -1, 1]) * make.B_VECTORS).T
    want[0] *= -1 if np.linalg.det(m) > 0 else 1
    got = np.loadtxt(at + '/image.bvec')
    need(np.allclose(got, want, atol=1e-5), 'bvec', got, 'wanted', want)


def world_directions(at, m):
    """RAS directions that a .bvec means beside a volume with this affine."""
    v = np.loadtxt(at)
    v[0] *= -1 if np.linalg.det(m[:3, :3]) > 0 else 1
    return m[:3, :3] / np.linalg.norm(m[:3, :3], axis=0) @ v


def diffusion_as_dcm2niix(case, name=''):
    if not NII or not os.path.exists(f'{NII}/{case}/v.bvec'):
        return
    as_dcm2niix(case, name)
    ours, theirs = folder(case, name) + '/image.', f'{NII}/{case}/v.'
    b, wanted = np.loadtxt(ours + 'bval'), np.loadtxt(theirs + 'bval')
    need(np.allclose(b, wanted), 'dcm2niix: bval', wanted, 'ours', b)
    v = world_directions(ours + 'bvec', read(ours + 'nii')[1])
    wanted = world_directions(theirs + 'bvec', read(theirs + 'nii')[1])
    length = np.linalg.norm(wanted, axis=0)
    wanted = wanted / np.where(length > 0, length, 1)
    need(np.allclose(v, wanted, atol=1e-5), 'dcm2niix: bvec in space', wanted, 'ours', v)


def local_diffusion(case, axes, b=1000):
    """Directions that only a maker's rule turns to space: dcm2niix is the witness."""
    same(case, '', volume(4, 4), affine(axes), TimePoints=4)
    got = np.loadtxt(folder(case, '') + '/image.bvec')
    need(np.allclose(np.linalg.norm(got, axis=0), [0, 1, 1, 1], atol=1e-5), 'bvec', got)
    need(np.allclose(np.loadtxt(folder(case, '') + '/image.bval'), [0, b, b, b]), 'bval')
    diffusion_as_dcm2niix(case)


def ge_axial_in_space():
    """Frequency against the rows, phase against the columns, slice along the normal."""
    v = world_directions(folder('ge_axial_col', '') + '/image.bvec', affine())
    need(np.allclose(v, make.LOCAL.T, atol=1e-5), v)


def ge_feet():
    at = folder('ge_feet', '')
    need(not os.path.exists(at + '/image.bvec') and os.path.exists(at + '/image.bval'), 'files')
    same('ge_feet', '', volume(4, 4), affine(), DiffusionDirections=None)


def order(case):
    which = make.ORDERS[case]
    trace = None in which
    n = len(which) - trace
    same(case, 'mag' if trace else '', volume(4, n), affine(OBLIQUE), TimePoints=n, TimePointsOrderedBy='DiffusionBValue')
    at = folder(case, 'mag' if trace else '')
    need(np.allclose(np.loadtxt(at + '/image.bval'), [make.B_VALUES[w] for w in which[:n]]), 'bval')
    v = world_directions(at + '/image.bvec', affine(OBLIQUE))
    want = np.array([make.B_VECTORS[w] * [-1, -1, 1] for w in which[:n]]).T
    need(np.allclose(v, want, atol=1e-5), 'bvec', v, 'wanted', want)
    if trace:
        same(case, 'trace', volume(4, n + 1)[..., n], affine(OBLIQUE), TimePoints=None, DiffusionBValues=[700.0],
             DiffusionDirections=None)
        at = folder(case, 'trace')
        need(float(open(at + '/image.bval').read()) == 700 and not os.path.exists(at + '/image.bvec'), 'trace b')
    diffusion_as_dcm2niix(case, 'mag' if trace else '')


def flow():
    need(len(keys('flow')) == 3, keys('flow'))
    found = []
    for k in keys('flow'):
        v = read(os.path.join(OUT, 'flow', k, 'image.nii'))[0]
        found += [d for d in range(3) if np.array_equal(v, volume(4, 6)[..., 2 * d:2 * d + 2])]
    need(sorted(found) == [0, 1, 2], 'directions', found)


def clock(case, ordered_by, step, **side):
    same(case, '', volume(4, 4), affine(), TimePoints=4, TimePointsOrderedBy=ordered_by, **side)
    raw = open(folder(case, '') + '/image.nii', 'rb').read()
    got = np.frombuffer(raw, '<f4', 8, 76)[4]
    need(np.isclose(got, step), 'pixdim[4]', got, 'wanted', step)


def classic_pet(case, **side):
    same(case, '', volume(6) * (0.5 + np.arange(6)), affine(), 'f4', **side)


def isotropic():
    diffusion('isotropic', OBLIQUE, 'mag', 'DiffusionBValue')
    same('isotropic', 'trace', volume(5, 5)[..., 4], affine(OBLIQUE), TimePoints=None)
    need(len(keys('isotropic')) == 2, keys('isotropic'))


def two_stacks():
    for k, axes in enumerate((AXIAL, make.CORONAL)):
        same('two_stacks', str(k + 1), volume(4, 2)[..., k], affine(axes))


def perfusion():
    times('perfusion', 'AcquisitionTime', volume(4, 3) - 1024, TimePointStart=[0.0, 60.0, 120.0], Meaning='HU')


def classic_echoes():
    for e in (0, 1):
        same('echoes', f'e{e + 1}', volume(4, 2)[..., e], affine(), EchoTime=make.ECHOES[e] / 1000)
        as_dcm2niix('echoes', f'e{e + 1}', f'v_e{e + 1}')


def components():
    for c, (ours, theirs) in enumerate((('mag', 'v'), ('ph', 'v_ph'), ('real', 'v_real'), ('imag', 'v_imaginary'))):
        same('components', ours, volume(4, 4)[..., c], affine())
        as_dcm2niix('components', ours, theirs)


def maker(case):
    same(case, '', 1.5 * volume(4) + 3, affine(OBLIQUE), Verdict='ok')
    as_dcm2niix(case)


def localiser():
    same('localiser', '', volume(4) - 1024, affine(), Meaning='HU')
    aside = records('localiser')[0]['set_aside']
    need([(a['files'], a['verdict']) for a in aside] == [(2, 'localiser')], aside)


def references():
    for k in (0, 1):
        same('references', str(k + 1), volume(4, 2)[..., k] - 1024, affine())
    frames = {r['frame_of_reference'] for r in records('references')[1:]}
    need(len(frames) == 2, frames)


def times(case, ordered_by, values=None, **side):
    same(case, '', volume(4, 3) if values is None else values, affine(), TimePoints=3,
         TimePointsOrderedBy=ordered_by, **side)


def flat(case, source, spacing, turned=False):
    v = 4095 - volume(2)[..., 1:] if turned else volume(2)[..., 1:]
    have = same(case, '', v, np.diag([spacing[1], spacing[0], 1, 1]), PixelSpacingFrom=source, Meaning='arbitrary',
                ImageOrientationPatientDICOM=None)
    need(not turned or have['Scaling'].get('monochrome1') == 'inverted', have['Scaling'])


TESTS = [
    ('enhanced CT, frames out of order, implicit', enhanced_ct, ['ct_implicit']),
    ('enhanced CT, RLE', enhanced_ct, ['ct_rle']),
    ('enhanced CT, RLE with an extended offset table, oblique', enhanced_ct, ['ct_extended', OBLIQUE]),
    ('enhanced CT, a slope for each frame, oblique', enhanced_slopes, ['ct_slopes', OBLIQUE]),
    ('enhanced CT, a slope for each frame, RLE', enhanced_slopes, ['ct_slopes_rle', AXIAL]),
    ('enhanced CT, signed', enhanced_signed, ['ct_signed']),
    ('enhanced CT, signed, RLE', enhanced_signed, ['ct_signed_rle']),
    ('enhanced CT of atomic numbers: no HU', enhanced_number, ['ct_number']),
    ('enhanced PET, Units', pet, ['pet_units']),
    ('enhanced PET, the unit in a real-world map', pet, ['pet_map']),
    ('enhanced PET, the unit is of another line than the numbers', lambda c: pet(
        c, Meaning='arbitrary', Units=None, UnitsDICOM=None, SUVbwFactor=None,
        SUVbwMissing='Units is absent, unknown or not the same in all files'), ['pet_two_lines']),
    ('enhanced PET, FrameReferenceDateTime only', lambda c: pet(
        c, TimePointsOrderedBy='FrameReferenceTime', InjectionStart=-3660 + average_time(300),
        FrameTimesStart=[0.0, 360 - average_time(360) + average_time(300)]), ['pet_clock']),
    ('enhanced PET, not decay corrected', lambda c: pet(
        c, SUVbwFactor=None, ImageDecayCorrected=None, SUVbwMissing='CorrectedImage lacks DECY'), ['pet_not_decayed']),
    ('legacy converted CT', legacy_ct, []),
    ('legacy converted MR', legacy_mr, []),
    ('legacy converted PET', legacy_pet, []),
    ('legacy converted MR, two echoes', legacy_echoes, []),
    ('enhanced MR: two echoes, magnitude and phase', echoes, []),
    ('enhanced diffusion', diffusion, ['diffusion', AXIAL]),
    ('enhanced diffusion, oblique', diffusion, ['diffusion_oblique', OBLIQUE]),
    ('enhanced diffusion, oblique, Siemens', diffusion, ['diffusion_siemens', OBLIQUE]),
    ('enhanced diffusion, oblique, Philips', diffusion, ['diffusion_philips', OBLIQUE]),
] + [(f'{c} as dcm2niix', diffusion_as_dcm2niix, [c]) for c in
     ('diffusion', 'diffusion_oblique', 'diffusion_philips')] + [
    ('diffusion, an object for each direction', diffusion, ['files_diffusion', OBLIQUE, '', 'DiffusionBValue']),
    ('diffusion with the mean of its directions', isotropic, []),
    ('an object for each time point', lambda: same('files_time', '', volume(5, 3), affine(OBLIQUE), TimePoints=3,
                                                   TimePointsOrderedBy='InstanceNumber'), []),
    ('one volume in two objects', lambda: same('two_parts', '', volume(12), affine()), []),
    ('two stacks in one object', two_stacks, []),
    ('two pictures at a place by their dimension index', lambda: same(
        'dimensions', '', volume(4, 2), affine(), TimePoints=2, TimePointsOrderedBy='DimensionIndexValues'), []),
    ('dimension indices that differ from place to place', rejected, [
        'dimensions_mixed', 'repeated_positions: 2 slices at each of 4 positions, and no element tells their order in '
        'time; allowed is one slice a position']),
    ('flow along three directions', flow, []),
] + [(f'GE diffusion, {p}, phase along {w}', local_diffusion, [f'ge_{p}_{w.lower()}', a]) for w in ('ROW', 'COL') for p, a in (
    ('axial', AXIAL), ('oblique', OBLIQUE), ('coronal', make.CORONAL), ('sagittal', make.SAGITTAL))] + [
    ('GE diffusion in space', ge_axial_in_space, []),
    ('GE diffusion, directions shortened', local_diffusion, ['ge_short', AXIAL, 360]),
    ('GE diffusion, feet first: no directions', ge_feet, []),
    ('UIH diffusion, oblique', local_diffusion, ['uih', OBLIQUE]),
    ('diffusion in the order of acquisition', order, ['order_plain']),
    ('the same with b = 0 twice', order, ['order_repeats']),
    ('a trace behind directions', order, ['order_trace']),
    ('dated times around midnight, no StudyDate', clock, ['midnight_dated', 'AcquisitionTime', 30]),
    ('dates with times around midnight, no StudyDate', clock, ['midnight_moment', 'AcquisitionTime', 30]),
    ('undated times around midnight', clock, ['midnight_undated', 'AcquisitionTime', 30]),
    ('an undated clock that contradicts the numbers', lambda: clock(
        'clock_astray', 'InstanceNumber', 1, TimePointStart=None), []),
    ('RepetitionTime for clocks that stand still', lambda: clock(
        'repetition', 'TemporalPositionIdentifier', 2.5, TimePointStart=[0.0, 2.5, 5.0, 7.5],
        TimeStepFrom='RepetitionTime'), []),
    ('but not that of a 3-D sequence', lambda: clock(
        'repetition_3d', 'TemporalPositionIdentifier', 1, TimeStepFrom=None,
        TimeStepMissing='no clock tells when the time points begin'), []),
    ('heartbeats that differ from slice to slice', lambda: clock(
        'heartbeats', 'TriggerTime', 1, TimePointStart=None,
        TimeStepMissing='TriggerTime has other steps from slice to slice'), []),
    ('PET in beds of unequal length', lambda: classic_pet(
        'pet_beds', Meaning='Bq/ml', FrameDuration=None, DecayCorrectionFactor=None,
        FrameDurationBySlice=[180.0] * 2 + [120.0] * 2 + [240.0] * 2,
        DecayCorrectionFactorBySlice=[1.25] * 2 + [1.5] * 2 + [1.75] * 2), []),
    ('SUV by lean body mass', lambda: classic_pet(
        'pet_lean', Meaning='arbitrary', SUVType='LBM', Units='g/mL', SUVbwFactor=None), []),
    ('trigger delays', times, ['cardiac', 'TriggerTime']),
    ('enhanced CT over time', perfusion, []),
    ('two echoes', classic_echoes, []),
    ('magnitude, phase, real, imaginary', components, []),
] + [(f'plain rescale, {m}', maker, [f'maker_{c}']) for c, m in make.MAKERS] + [
    ('a localiser in the study', localiser, []),
    ('two frames of reference in one series', references, []),
    ('trigger times', lambda: times('trigger', 'TriggerTime', TimePointStart=[0.0, 0.04, 0.08]), []),
    ('acquisition times', lambda: times('clock', 'AcquisitionTime', TimePointStart=[0.0, 4.0, 8.0]), []),
    ('temporal positions before clocks', times, ['candidates', 'TemporalPositionIdentifier']),
    ('a time point without a slice', rejected, [
        'incomplete', 'incomplete: time point 2 of 3 (by TriggerTime) has 3 of 4 slices; allowed is every slice at '
        'every time point']),
    ('one slice twice', rejected, ['twice_one', 'duplicate_positions: 1 of 5 slices shares its position with '
                                   'another one (1 to 2 at a position); allowed is one slice a position']),
    ('all slices twice', rejected, ['twice_all', 'repeated_positions: 2 slices at each of 4 positions, and no element '
                                    'tells their order in time; allowed is one slice a position']),
    ('CR without a place', flat, ['cr', 'PixelSpacing', make.SPACING]),
    ('MG, ImagerPixelSpacing', flat, ['mg', 'ImagerPixelSpacing', make.SPACING]),
    ('MG, MONOCHROME1', flat, ['mg_inverse', 'ImagerPixelSpacing', make.SPACING, True]),
    ('CR without pixel sizes', flat, ['cr_bare', 'none', (1, 1)]),
    ('gzip-compressed DICOM', lambda: same('gz', '', volume(4), affine()), []),
]

for name, test, words in TESTS:
    try:
        test(*words)
        print(f'ok\t{name}')
    except Exception as e:
        print(f'not ok\t{name}\t{type(e).__name__} {e}')
