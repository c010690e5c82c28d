# SPDX-License-Identifier: Apache-2.0
#
# Objects that no public data set of ours holds, with voxels and places in closed form: enhanced
# multi-frame CT, PET and MR, legacy converted ones, and odd classic series. enhanced_check.py
# compares what ingest makes of them. Use: enhanced_make.py DIR writes DIR/<case>/*.dcm
import gzip
import hashlib
import os
import sys

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixel_data_handlers.rle_handler import rle_encode_frame
from pydicom.sequence import Sequence

IMPLICIT, EXPLICIT, RLE = '1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.5'
SOP = '1.2.840.10008.5.1.4.1.1.'
COLUMNS, ROWS = 7, 6
SPACING = (0.8, 0.6)  # between rows, between columns
STEP = 2.5

# Direction cosines: axial, and turned by two Pythagorean angles (exact in decimals).
AXIAL = np.array([[1, 0, 0], [0, 1, 0]], float)
OBLIQUE = np.array([[0.8, 0.6, 0], [-0.36, 0.48, 0.8]])
ORIGIN = np.array([-10.0, 20.5, 30.0])


def stored(z, t=0, most=4096):
    """Stored numbers of slice z of volume t, [row, column]."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    return (7 * x + 61 * y + 331 * z + 1009 * t + 5) % most


def volume(depth, times=1, most=4096):
    """The same as a volume [x, y, z, t]."""
    v = np.stack([np.stack([stored(z, t, most).T for z in range(depth)], -1) for t in range(times)], -1)
    return v[..., 0] if times == 1 else v


def place(z, axes=AXIAL, step=STEP, origin=ORIGIN):
    return origin + z * step * np.cross(axes[0], axes[1])


def affine(axes=AXIAL, step=STEP, origin=ORIGIN):
    m = np.eye(4)
    m[:3, 0] = axes[0] * SPACING[1]
    m[:3, 1] = axes[1] * SPACING[0]
    m[:3, 2] = np.cross(axes[0], axes[1]) * step
    m[:3, 3] = origin
    return np.diag([-1, -1, 1, 1]) @ m


def uid(*words):
    digest = hashlib.sha256('/'.join(map(str, words)).encode()).hexdigest()
    return '2.25.' + str(int(digest[:30], 16))


def fields(**words):
    d = Dataset()
    for name, value in words.items():
        if isinstance(value, Dataset):
            value = Sequence([value])
        setattr(d, name, [float(f'{v:.9g}') for v in value] if isinstance(value, np.ndarray) else value)
    return d


def instance(case, number, sop, modality, kind, **more):
    d = fields(ImageType=kind, SOPClassUID=SOP + sop, SOPInstanceUID=uid(case, 'i', number),
               StudyDate='20010203', SeriesDate='20010203', AcquisitionDate='20010203', ContentDate='20010203',
               StudyTime='100000', SeriesTime='100000', ContentTime='100000', Modality=modality,
               Manufacturer='SYNTHETIC', PatientName='Nemo^No', PatientID='P-' + case,
               StudyInstanceUID=uid(case, 'study'), SeriesInstanceUID=uid(case, 'series'),
               FrameOfReferenceUID=uid(case, 'place'), SeriesNumber=7, InstanceNumber=number,
               SamplesPerPixel=1, PhotometricInterpretation='MONOCHROME2', Rows=ROWS, Columns=COLUMNS,
               BitsAllocated=16, BitsStored=12, HighBit=11, PixelRepresentation=0)
    for name, value in more.items():
        if value is None:
            if name in d:
                delattr(d, name)
        else:
            setattr(d, name, value)
    return d


def save(root, case, d, pictures, syntax=EXPLICIT, extended=False, name=None):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = d.SOPClassUID
    meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    words = [np.ascontiguousarray(p, '<u2') for p in pictures]
    if syntax == RLE:
        frames = [rle_encode_frame(w) for w in words]
        if extended:
            d.PixelData, d.ExtendedOffsetTable, d.ExtendedOffsetTableLengths = encapsulate_extended(frames)
        else:
            d.PixelData = encapsulate(frames, has_bot=True)
        d['PixelData'].is_undefined_length = True
    else:
        d.PixelData = b''.join(w.tobytes() for w in words)
    d['PixelData'].VR = 'OB' if syntax == RLE else 'OW'
    folder = os.path.join(root, case)
    os.makedirs(folder, exist_ok=True)
    f = FileDataset(None, d, file_meta=meta, preamble=b'\0' * 128)
    f.is_little_endian, f.is_implicit_VR = True, syntax == IMPLICIT
    f.save_as(os.path.join(folder, name or '%03d.dcm' % d.InstanceNumber), write_like_original=False)


def shared_groups(axes=AXIAL, **more):
    return fields(PlaneOrientationSequence=fields(ImageOrientationPatient=axes.reshape(6)),
                  PixelMeasuresSequence=fields(PixelSpacing=list(SPACING), SliceThickness=STEP), **more)


def frame_groups(z, axes=AXIAL, content=None, scale=None, **more):
    d = fields(PlanePositionSequence=fields(ImagePositionPatient=place(z, axes)),
               FrameContentSequence=fields(**(content or {})), **more)
    if scale:
        d.PixelValueTransformationSequence = Sequence(
            [fields(RescaleSlope=scale[0], RescaleIntercept=scale[1], RescaleType=scale[2])])
    return d


def multi(root, case, sop, modality, kind, shared, frames, pictures, top=None, number=1, **how):
    d = instance(case, number, sop, modality, kind, NumberOfFrames=len(frames), **(top or {}))
    d.SharedFunctionalGroupsSequence = Sequence([shared])
    d.PerFrameFunctionalGroupsSequence = Sequence(frames)
    save(root, case, d, pictures, **how)


# 12 frames out of order.
SHUFFLED = [(5 * i + 3) % 12 for i in range(12)]
ORIGINAL = ['ORIGINAL', 'PRIMARY', 'VOLUME', 'NONE']


def ct_slope(z):
    return 0.5 + 0.125 * z


def enhanced_ct(root):
    def make(case, axes=AXIAL, slope=lambda z: 2, unit='HU', **how):
        frames = [frame_groups(z, axes, {'InStackPositionNumber': z + 1, 'StackID': '1'},
                               (slope(z), -1024, unit)) for z in SHUFFLED]
        kind = fields(FrameType=ORIGINAL)
        multi(root, case, '2.1', 'CT', ORIGINAL, shared_groups(axes, CTImageFrameTypeSequence=kind), frames,
              [stored(z) for z in SHUFFLED], **how)
    make('ct_implicit', syntax=IMPLICIT)
    make('ct_rle', syntax=RLE)
    make('ct_extended', axes=OBLIQUE, syntax=RLE, extended=True)
    make('ct_slopes', axes=OBLIQUE, slope=ct_slope)
    make('ct_slopes_rle', slope=ct_slope, syntax=RLE)
    make('ct_number', unit='Z_EFF')
    signed = dict(PixelRepresentation=1, BitsStored=16, HighBit=15)
    shared = shared_groups(OBLIQUE, CTImageFrameTypeSequence=fields(FrameType=ORIGINAL))
    for case, syntax in (('ct_signed', EXPLICIT), ('ct_signed_rle', RLE)):
        frames = [frame_groups(z, OBLIQUE, {}, (1, 0, 'HU')) for z in SHUFFLED]
        multi(root, case, '2.1', 'CT', ORIGINAL, shared, frames, [(stored(z) - 1024) % 65536 for z in SHUFFLED],
              top=signed, syntax=syntax)


RADIO = dict(Radiopharmaceutical='FDG', RadionuclideTotalDose=3.5e8, RadionuclideHalfLife=6586.2,
             RadiopharmaceuticalStartDateTime='20010203090000')


def pet_slope(z, t):
    return 0.25 * (1 + z) + 2 * t


def enhanced_pet(root):
    """Two time points of six slices, the first a minute after the time that values are corrected to. The unit:
    Units, or a real-world value map with `unit_map` times the slope."""
    def make(case, sop, unit_map, top, clock='FrameAcquisitionDateTime'):
        order = [(t, z) for z in (4, 0, 3, 5, 1, 2) for t in (1, 0)]
        shared = shared_groups(PETFrameTypeSequence=fields(FrameType=ORIGINAL))
        if unit_map:
            code = fields(CodeValue='Bq/ml', CodingSchemeDesignator='UCUM', CodeMeaning='Becquerels/milliliter')
        frames = []
        for t, z in order:
            content = {'FrameAcquisitionDuration': 300000.0 + 60000 * t}
            content[clock] = '2001020310%02d00' % (1 + 6 * t)
            if clock == 'FrameAcquisitionDateTime':
                content['TemporalPositionIndex'] = t + 1
            f = frame_groups(z, content=content, scale=(pet_slope(z, t), 0, 'US'),
                             PETFrameCorrectionFactorsSequence=fields(DecayFactor=1.25 + 0.5 * t))
            if unit_map:
                f.RealWorldValueMappingSequence = Sequence(
                    [fields(RealWorldValueSlope=unit_map * pet_slope(z, t), RealWorldValueIntercept=0.0,
                            RealWorldValueFirstValueMapped=0, RealWorldValueLastValueMapped=4095,
                            MeasurementUnitsCodeSequence=code)])
            frames.append(f)
        multi(root, case, sop, 'PT', ORIGINAL, shared, frames, [stored(z, t) for t, z in order],
              top=dict(top, PatientWeight=70, RadiopharmaceuticalInformationSequence=Sequence([fields(**RADIO)])))
    dated = dict(DecayCorrected='YES', AttenuationCorrected='YES', DecayCorrectionDateTime='20010203100000')
    classic = dict(Units='BQML', DecayCorrection='START', CorrectedImage=['ATTN', 'DECY'],
                   AcquisitionTime='100000')
    make('pet_units', '130', 0, classic)
    make('pet_map', '130', 1, dated)
    make('pet_two_lines', '130', 3, dated)
    make('pet_clock', '130', 1, dated, clock='FrameReferenceDateTime')
    make('pet_not_decayed', '130', 1, dict(dated, DecayCorrected='NO'))


def legacy(root):
    """What was classic stands in the groups of unassigned attributes."""
    for case, sop, modality, kind in (('legacy_ct', '2.2', 'CT', 'CTImageFrameTypeSequence'),
                                      ('legacy_mr', '4.4', 'MR', 'MRImageFrameTypeSequence'),
                                      ('legacy_pet', '128.1', 'PT', 'PETFrameTypeSequence')):
        shared = shared_groups(OBLIQUE)
        setattr(shared, kind, Sequence([fields(FrameType=ORIGINAL)]))
        rest = dict(KVP=120) if modality == 'CT' else dict(RepetitionTime=500, EchoTime=12.5)
        if modality == 'PT':
            rest = dict(Units='BQML', DecayCorrection='START', CorrectedImage=['ATTN', 'DECY'],
                        RadiopharmaceuticalInformationSequence=fields(**RADIO))
        shared.UnassignedSharedConvertedAttributesSequence = Sequence([fields(**rest)])
        order = [3, 1, 0, 4, 2]
        frames = []
        for i, z in enumerate(order):
            own = dict(InstanceNumber=z + 1)
            if modality == 'PT':
                own.update(AcquisitionTime='100000', FrameReferenceTime=150000, ActualFrameDuration=300000,
                           DecayFactor=1.0159)
            f = frame_groups(z, OBLIQUE, {}, {'CT': (1, -1024, 'HU'), 'MR': (2.5, 3, 'US'),
                                              'PT': (0.5 + z, 0, 'US')}[modality])
            f.UnassignedPerFrameConvertedAttributesSequence = Sequence([fields(**own)])
            f.ConversionSourceAttributesSequence = Sequence(
                [fields(ReferencedSOPClassUID=SOP + '2', ReferencedSOPInstanceUID=uid(case, 'source', i))])
            frames.append(f)
        multi(root, case, sop, modality, ORIGINAL, shared, frames, [stored(z) for z in order],
              top=dict(PatientWeight=70))


def legacy_echoes(root):
    shared = shared_groups(OBLIQUE, MRImageFrameTypeSequence=fields(FrameType=ORIGINAL))
    frames = []
    order = [(e, z) for e in (1, 0) for z in (3, 1, 0, 4, 2)]
    for n, (e, z) in enumerate(order):
        f = frame_groups(z, OBLIQUE)
        f.UnassignedPerFrameConvertedAttributesSequence = Sequence(
            [fields(InstanceNumber=n + 1, EchoTime=ECHOES[e], RepetitionTime=500)])
        frames.append(f)
    multi(root, 'legacy_echoes', '4.4', 'MR', ORIGINAL, shared, frames, [stored(z, e) for e, z in order])


# b-values and unit directions in LPS.
B_VALUES = [0, 700, 700, 1000]
B_VECTORS = np.array([[0, 0, 0], [0.6, 0, 0.8], [0, 0.6, -0.8], [2 / 3, -2 / 3, 1 / 3]])
ECHOES = [4.6, 9.2]


def enhanced_mr(root):
    frames, pictures = [], []
    for i, (e, z, c) in enumerate((e, z, c) for z in (2, 0, 4, 1, 3) for c in (1, 0) for e in (1, 0)):
        kind = ['MAGNITUDE', 'PHASE'][c]
        frames.append(frame_groups(
            z, OBLIQUE, {'StackID': '1', 'InStackPositionNumber': z + 1},
            MREchoSequence=fields(EffectiveEchoTime=ECHOES[e]),
            MRImageFrameTypeSequence=fields(FrameType=['ORIGINAL', 'PRIMARY', 'OTHER', kind],
                                            ComplexImageComponent=kind)))
        pictures.append(stored(z, 2 * c + e))
    multi(root, 'mr_echoes', '4.1', 'MR', ['ORIGINAL', 'PRIMARY', 'OTHER', 'NONE'],
          shared_groups(OBLIQUE, PixelValueTransformationSequence=fields(
              RescaleSlope=1, RescaleIntercept=0, RescaleType='US')), frames, pictures)
    for case, axes, maker in (('diffusion', AXIAL, 'SYNTHETIC'), ('diffusion_oblique', OBLIQUE, 'SYNTHETIC'),
                              ('diffusion_siemens', OBLIQUE, 'SIEMENS'),
                              ('diffusion_philips', OBLIQUE, 'Philips Medical Systems')):
        frames, pictures = [], []
        for z in (2, 0, 4, 1, 3):
            for t in (2, 0, 3, 1):
                b = fields(DiffusionBValue=float(B_VALUES[t]),
                           DiffusionDirectionality='DIRECTIONAL' if t else 'NONE')
                if t:
                    b.DiffusionGradientDirectionSequence = Sequence(
                        [fields(DiffusionGradientOrientation=[float(v) for v in B_VECTORS[t]])])
                frames.append(frame_groups(z, axes, {'StackID': '1', 'InStackPositionNumber': z + 1,
                                                     'DimensionIndexValues': [1, z + 1, t + 1]},
                                           MRDiffusionSequence=b,
                                           MREchoSequence=fields(EffectiveEchoTime=80.0)))
                pictures.append(stored(z, t))
        kind = fields(FrameType=['ORIGINAL', 'PRIMARY', 'DIFFUSION', 'NONE'], ComplexImageComponent='MAGNITUDE')
        shared = shared_groups(axes, MRImageFrameTypeSequence=kind)
        multi(root, case, '4.1', 'MR', ['ORIGINAL', 'PRIMARY', 'DIFFUSION', 'NONE'], shared, frames, pictures,
              top=dict(Manufacturer=maker, DimensionIndexSequence=Sequence(
                  [fields(DimensionIndexPointer=p, FunctionalGroupPointer=g) for p, g in
                   ((0x00209056, 0x00209111), (0x00209057, 0x00209111), (0x00189087, 0x00189117))])))


def mr_groups(axes, word='M'):
    kind = fields(FrameType=['ORIGINAL', 'PRIMARY', word, 'NONE'], ComplexImageComponent='MAGNITUDE')
    return shared_groups(axes, MRImageFrameTypeSequence=kind)


CORONAL = np.array([[1, 0, 0], [0, 0, -1]], float)


def enhanced_odd(root):
    kind = ['ORIGINAL', 'PRIMARY', 'M', 'NONE']
    # One object a time point or direction, in the order of InstanceNumber.
    for t in (1, 2, 0, 3):
        if t < 3:
            multi(root, 'files_time', '4.1', 'MR', kind, mr_groups(OBLIQUE),
                  [frame_groups(z, OBLIQUE) for z in range(5)], [stored(z, t) for z in range(5)], number=t + 1)
        b = fields(DiffusionBValue=float(B_VALUES[t]))
        if t:
            b.DiffusionGradientDirectionSequence = Sequence(
                [fields(DiffusionGradientOrientation=[float(v) for v in B_VECTORS[t]])])
        multi(root, 'files_diffusion', '4.1', 'MR', kind, mr_groups(OBLIQUE),
              [frame_groups(z, OBLIQUE, MRDiffusionSequence=b) for z in range(5)],
              [stored(z, t) for z in range(5)], number=t + 1)
    # One volume in two objects.
    for k in (0, 1):
        multi(root, 'two_parts', '4.1', 'MR', kind, mr_groups(AXIAL),
              [frame_groups(z) for z in range(6 * k, 6 * k + 6)],
              [stored(z) for z in range(6 * k, 6 * k + 6)], number=k + 1,
              top=dict(ConcatenationUID=uid('two_parts', 'c'), InConcatenationNumber=k + 1))
    # Two stacks of different orientation in one object.
    shared = mr_groups(AXIAL)
    del shared.PlaneOrientationSequence
    frames = []
    for z in (1, 3, 0, 2):
        for k, axes in enumerate((AXIAL, CORONAL)):
            f = frame_groups(z, axes, {'StackID': str(k + 1), 'InStackPositionNumber': z + 1})
            f.PlaneOrientationSequence = Sequence([fields(ImageOrientationPatient=axes.reshape(6))])
            frames.append(f)
    multi(root, 'two_stacks', '4.1', 'MR', kind, shared, frames, [stored(z, k) for z in (1, 3, 0, 2) for k in (0, 1)])
    # The mean over the directions beside them.
    frames, pictures = [], []
    for z in (2, 0, 4, 1, 3):
        for t in (0, 1, 2, 3, 4):
            b = fields(DiffusionBValue=float(B_VALUES[t] if t < 4 else 700),
                       DiffusionDirectionality=['NONE', 'DIRECTIONAL', 'DIRECTIONAL', 'DIRECTIONAL', 'ISOTROPIC'][t])
            if 0 < t < 4:
                b.DiffusionGradientDirectionSequence = Sequence(
                    [fields(DiffusionGradientOrientation=[float(v) for v in B_VECTORS[t]])])
            frames.append(frame_groups(z, OBLIQUE, MRDiffusionSequence=b))
            pictures.append(stored(z, t))
    multi(root, 'isotropic', '4.1', 'MR', kind, mr_groups(OBLIQUE), frames, pictures)
    # Time points by trigger delay, and by the clock of the frames.
    frames = [frame_groups(z, CardiacSynchronizationSequence=fields(NominalCardiacTriggerDelayTime=250.0 * t + z))
              for z in (2, 0, 1, 3) for t in (1, 2, 0)]
    pictures = [stored(z, t) for z in (2, 0, 1, 3) for t in (1, 2, 0)]
    multi(root, 'cardiac', '4.1', 'MR', kind, mr_groups(AXIAL), frames, pictures)
    frames = [frame_groups(z, content=dict(FrameAcquisitionDateTime='20010203100%d%02d.500000' % (t, 5 * z),
                                           FrameReferenceDateTime='20010203100%d%02d' % (t, 5 * z + 2)),
                           scale=(1, -1024, 'HU')) for z in (2, 0, 1, 3) for t in (1, 2, 0)]
    multi(root, 'perfusion', '2.1', 'CT', ORIGINAL,
          shared_groups(CTImageFrameTypeSequence=fields(FrameType=ORIGINAL)), frames, pictures)
    # Fewer pixels than frames.
    multi(root, 'short', '4.1', 'MR', kind, mr_groups(AXIAL), [frame_groups(z) for z in range(5)],
          [stored(z) for z in range(4)])


def slice_of(root, case, number, z, picture, sop='4', modality='MR', kind=('ORIGINAL', 'PRIMARY', 'M', 'NONE'),
             axes=AXIAL, name=None, **more):
    d = instance(case, number, sop, modality, list(kind),
                 **dict(dict(ImagePositionPatient=[float(v) for v in place(z, axes)],
                             ImageOrientationPatient=[float(v) for v in axes.reshape(6)],
                             PixelSpacing=list(SPACING), SliceThickness=STEP), **more))
    save(root, case, d, [picture], name=name)


MAKERS = [('uih', 'UIH'), ('canon', 'Canon Medical Systems'), ('hitachi', 'Hitachi Medical Corporation'),
          ('hyperfine', 'Hyperfine'), ('toshiba', 'TOSHIBA_MEC'), ('fuji', 'FUJIFILM Healthcare Corporation')]


def classic_mr(root):
    n = 0
    for z in (3, 1, 0, 2):
        for e in (1, 0):
            n += 1
            slice_of(root, 'echoes', n, z, stored(z, e), EchoTime=ECHOES[e], EchoNumbers=e + 1)
        for c, word in enumerate('MPRI'):
            slice_of(root, 'components', 4 * n + c, z, stored(z, c), kind=('ORIGINAL', 'PRIMARY', word, 'ND'))
        for case, maker in MAKERS:
            slice_of(root, 'maker_' + case, z + 1, z, stored(z), axes=OBLIQUE, Manufacturer=maker,
                     RescaleSlope=1.5, RescaleIntercept=3)


def classic_places(root):
    for z in range(4):
        ct = dict(sop='2', modality='CT', RescaleSlope=1, RescaleIntercept=-1024, RescaleType='HU')
        axial = ('ORIGINAL', 'PRIMARY', 'AXIAL')
        slice_of(root, 'localiser', z + 1, z, stored(z), kind=axial, **ct)
        for k in (0, 1):
            slice_of(root, 'references', 10 * k + z, z, stored(z, k), kind=axial,
                     FrameOfReferenceUID=uid('references', k), **ct)
        for case in ('twice_one', 'twice_all'):
            for k in range(2 if case == 'twice_all' or z == 2 else 1):
                slice_of(root, case, z + 1, z, stored(z, k), kind=axial, name=f'{z}_{k}.dcm',
                         SOPInstanceUID=uid(case, z, k), DiffusionBValue=0.0, **ct)  # one direction: no order
    for k in range(2):
        slice_of(root, 'localiser', 90 + k, 0, stored(0), kind=('ORIGINAL', 'PRIMARY', 'LOCALIZER'), axes=CORONAL,
                 SeriesInstanceUID=uid('localiser', 'scout'), **ct)


def classic_times(root):
    n = 0
    for z in (2, 0, 3, 1):
        for t in (1, 0, 2):
            n += 1
            when = 40.0 * t + 11.5 * z  # tenths of a second
            slice_of(root, 'trigger', n, z, stored(z, t), TriggerTime=40.0 * t + z, AcquisitionNumber=1)
            if (z, t) != (3, 1):
                slice_of(root, 'incomplete', n, z, stored(z, t), TriggerTime=40.0 * t, AcquisitionNumber=1)
            # The element that says it outright goes before clocks and counters that say otherwise.
            slice_of(root, 'candidates', n, z, stored(z, t), TemporalPositionIdentifier=t + 1,
                     NumberOfTemporalPositions=3, AcquisitionNumber=3 - t,
                     AcquisitionTime='10%02d00' % (10 - 3 * t))
            slice_of(root, 'clock', n, z, stored(z, t), AcquisitionNumber=1,
                     AcquisitionTime='1000%02d.%03d' % (when // 10 % 60, when % 10 * 100))


def clocks(root):
    """Four time points of half a minute around midnight; and a clock that contradicts the numbers."""
    evening, morning = dict(AcquisitionDate='20010203'), dict(AcquisitionDate='20010204')
    for t, (clock, day) in enumerate((('235900', evening), ('235930', evening), ('000000', morning), ('000030', morning))):
        for z in range(4):
            n = 4 * t + z + 1
            no_day = dict(AcquisitionTime=clock, StudyDate=None, SeriesDate=None, ContentDate=None)
            slice_of(root, 'midnight_dated', n, z, stored(z, t), **dict(no_day, **day))
            slice_of(root, 'midnight_moment', n, z, stored(z, t), **dict(
                no_day, AcquisitionTime=None, AcquisitionDate=None, AcquisitionDateTime=day['AcquisitionDate'] + clock))
            slice_of(root, 'midnight_undated', n, z, stored(z, t), **dict(no_day, AcquisitionDate=None))
            slice_of(root, 'clock_astray', n, z, stored(z, t), AcquisitionDate=None,
                     AcquisitionTime='10%02d00' % (30 - t))
            # Equal clocks: the step is the repetition time's, unless that is one line's of a 3-D sequence.
            fmri = dict(AcquisitionTime='100000', TemporalPositionIdentifier=t + 1, RepetitionTime=2500)
            slice_of(root, 'repetition', n, z, stored(z, t), **fmri)
            slice_of(root, 'repetition_3d', n, z, stored(z, t), MRAcquisitionType='3D', **fmri)
            # Each slice has heartbeats of its own.
            slice_of(root, 'heartbeats', n, z, stored(z, t), TriggerTime=t * (40.0 + 12 * z), AcquisitionNumber=1)


def dimensions(root):
    """Two pictures at each place, told apart by DimensionIndexValues alone; their order in the file differs from
    place to place. `mixed`: the second dimension counts 1, 2 at some places and 2, 3 at others."""
    pointers = dict(DimensionIndexSequence=Sequence(
        [fields(DimensionIndexPointer=p, FunctionalGroupPointer=g) for p, g in
         ((0x00180010, 0x00189341), (0x00209057, 0x00209111))]))
    order = [(z, t) for z in range(4) for t in ((1, 0) if z % 2 else (0, 1))]
    for case, shift in (('dimensions', 0), ('dimensions_mixed', 1)):
        frames = [frame_groups(z, content={'StackID': '1', 'InStackPositionNumber': z + 1,
                                           'DimensionIndexValues': [t + 1 + shift * (z // 2), z + 1]})
                  for z, t in order]
        multi(root, case, '4.1', 'MR', ['ORIGINAL', 'PRIMARY', 'M', 'NONE'], mr_groups(AXIAL), frames,
              [stored(z, t) for z, t in order], top=pointers)
    # Flow along three directions at two delays.
    flow = [(z, t, d) for z in range(4) for t in (1, 0) for d in range(3)]
    frames = [frame_groups(z, OBLIQUE,
                           CardiacSynchronizationSequence=fields(NominalCardiacTriggerDelayTime=50.0 * t),
                           MRVelocityEncodingSequence=fields(VelocityEncodingDirection=[float(i == d) for i in range(3)],
                                                             VelocityEncodingMinimumValue=-1.5,
                                                             VelocityEncodingMaximumValue=1.5))
              for z, t, d in flow]
    multi(root, 'flow', '4.1', 'MR', ['ORIGINAL', 'PRIMARY', 'M', 'NONE'], mr_groups(OBLIQUE), frames,
          [stored(z, 2 * d + t) for z, t, d in flow])


# Directions along frequency, phase and slice, or the picture's axes.
LOCAL = np.array([[0, 0, 0], [1, 0, 0], [0, 0.6, 0.8], [0.6, 0.48, 0.64]])
LOCAL_B = [0, 1000, 1000, 1000]
SAGITTAL = np.array([[0, 1, 0], [0, 0, -1]], float)
DIFFUSION = ('ORIGINAL', 'PRIMARY', 'DIFFUSION', 'NONE')


def add_private(d, group, creator, **elements):
    block = d.private_block(group, creator, create=True)
    for name, (vr, value) in elements.items():
        block.add_new(int(name[1:], 16), vr, value)


def diffusion_of_makers(root):
    def slices(case, axes, private, **more):
        for t in range(4):
            for z in range(4):
                d = instance(case, 4 * t + z + 1, '4', 'MR', list(DIFFUSION), PixelSpacing=list(SPACING),
                             ImagePositionPatient=[float(v) for v in place(z, axes)], SliceThickness=STEP,
                             ImageOrientationPatient=[float(v) for v in axes.reshape(6)], **more)
                private(d, t)
                save(root, case, d, [stored(z, t)])

    def ge(length):
        def add(d, t):
            add_private(d, 0x43, 'GEMS_PARM_01', x39=('IS', [LOCAL_B[t] + (10 ** 9 if t else 0), 8, 0, 0]))
            add_private(d, 0x19, 'GEMS_ACQU_01', **{
                'x%x' % (0xbb + i): ('DS', '%.9g' % (length * v)) for i, v in enumerate(LOCAL[t])})
        return add

    def uih(d, t):
        add_private(d, 0x65, 'Image Private Header', x09=('FD', float(LOCAL_B[t])), x37=('FD', [float(v) for v in LOCAL[t]]))

    lies = dict(Manufacturer='GE MEDICAL SYSTEMS', PatientPosition='HFS')
    for plane, axes in (('axial', AXIAL), ('oblique', OBLIQUE), ('coronal', CORONAL), ('sagittal', SAGITTAL)):
        for phase in ('ROW', 'COL'):
            slices(f'ge_{plane}_{phase.lower()}', axes, ge(1), InPlanePhaseEncodingDirection=phase, **lies)
    slices('ge_short', AXIAL, ge(0.6), InPlanePhaseEncodingDirection='COL', **lies)
    slices('ge_feet', AXIAL, ge(1), InPlanePhaseEncodingDirection='COL', Manufacturer='GE MEDICAL SYSTEMS',
           PatientPosition='FFS')
    slices('uih', OBLIQUE, uih, Manufacturer='UIH', PatientPosition='HFS')


# What dcm2niix takes as a scan's order: that of the acquisition, whatever the b-values are.
ORDERS = {'order_plain': [0, 3, 1, 2], 'order_repeats': [0, 3, 0, 1, 2], 'order_trace': [0, 1, 2, 3, None]}


def diffusion_orders(root):
    for case, order in ORDERS.items():
        for t, which in enumerate(order):
            for z in range(4):
                b = 700 if which is None else B_VALUES[which]
                v = [0, 0, 0] if which is None else B_VECTORS[which]
                slice_of(root, case, 4 * t + z + 1, z, stored(z, t), kind=DIFFUSION, axes=OBLIQUE, PatientPosition='HFS',
                         Manufacturer='Philips Medical Systems', DiffusionBValue=float(b),
                         DiffusionGradientOrientation=[float(x) for x in v])


def classic_pet(root):
    """A whole body in beds of unequal length; SUV by lean body mass."""
    kind = ('ORIGINAL', 'PRIMARY', 'AXIAL')
    top = dict(sop='128', modality='PT', kind=kind, DecayCorrection='START', CorrectedImage=['ATTN', 'DECY'], PatientWeight=70,
               RadiopharmaceuticalInformationSequence=Sequence([fields(**RADIO)]), RescaleIntercept=0)
    for z in range(6):
        bed = z // 2
        slice_of(root, 'pet_beds', z + 1, z, stored(z), Units='BQML', RescaleSlope=0.5 + z, SeriesType=['WHOLE BODY', 'IMAGE'],
                 AcquisitionTime=['100000', '100300', '100500'][bed], FrameReferenceTime=[88000, 238000, 415000][bed],
                 ActualFrameDuration=[180000, 120000, 240000][bed], DecayFactor=[1.25, 1.5, 1.75][bed], **top)
        slice_of(root, 'pet_lean', z + 1, z, stored(z), Units='GML', SUVType='LBM', RescaleSlope=0.5 + z,
                 AcquisitionTime='100000', ActualFrameDuration=180000, **top)


def flat(root):
    def make(case, sop, modality, **more):
        d = instance(case, 1, sop, modality, ['ORIGINAL', 'PRIMARY'], FrameOfReferenceUID=None, **more)
        save(root, case, d, [stored(1)])
    make('cr', '1', 'CR', PixelSpacing=list(SPACING))
    make('mg', '1.2', 'MG', ImagerPixelSpacing=list(SPACING))
    make('mg_inverse', '1.2', 'MG', ImagerPixelSpacing=list(SPACING), PhotometricInterpretation='MONOCHROME1')
    make('cr_bare', '1', 'CR')


def zipped(root):
    folder = os.path.join(root, 'gz')
    for z in range(4):
        slice_of(root, 'gz', z + 1, z, stored(z), name=f'{z}.dcm')
        path = os.path.join(folder, f'{z}.dcm')
        with open(path, 'rb') as f, open(path + '.gz', 'wb') as g:
            g.write(gzip.compress(f.read(), mtime=0))
        os.remove(path)


if __name__ == '__main__':
    for build in (enhanced_ct, enhanced_pet, legacy, legacy_echoes, enhanced_mr, enhanced_odd, classic_mr,
                  classic_places, classic_times, clocks, dimensions, diffusion_of_makers, diffusion_orders, classic_pet,
                  flat, zipped):
        build(sys.argv[1])
